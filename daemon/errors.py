"""Errors that people see: one clear sentence each, with what, where and what to do.

ServiceError               carries `code` (short, stable) and `status` (the HTTP status it maps to)
├── InvalidInputError      400: a name, field, path or file that cannot be accepted
├── UnauthorizedError      401: a key is needed, or the one given is not valid
├── ForbiddenError         403: the key does not allow this
├── NotFoundError          404: an unknown character, file or inference
├── TooSlowError           408: a body that does not come
├── ConflictError          409: exists already, or has to be done in another order
├── TooLargeError          413: a body over the limit
├── UnsupportedAudioError  415 is not in the contract, so 400: not audio
├── RateLimitError         429: too many sentences in a minute
├── BusyError              503: the database or disk is busy; try again
├── StorageError           507: no room left
├── DownloadError          a download that is forbidden here or failed
└── SettingsError          the settings are wrong; lists every problem at once (exit code 2)
"""

from __future__ import annotations


class ServiceError(Exception):
    """A refusal or failure with one clear sentence."""

    code = "error"
    status = 500


class InvalidInputError(ServiceError):
    """Input that cannot be accepted."""

    code = "invalid_input"
    status = 400


class UnauthorizedError(ServiceError):
    """A request without a key, or with one that is not valid."""

    code = "unauthorized"
    status = 401


class ForbiddenError(ServiceError):
    """A request that its key does not allow."""

    code = "forbidden"
    status = 403


class NotFoundError(ServiceError):
    """Something that does not exist."""

    code = "not_found"
    status = 404


class TooSlowError(ServiceError):
    """A body that the client sends too slowly."""

    code = "too_slow"
    status = 408


class ConflictError(ServiceError):
    """A request that does not fit the present state."""

    code = "conflict"
    status = 409


class TooLargeError(ServiceError):
    """A body over the size limit."""

    code = "too_large"
    status = 413


class UnsupportedAudioError(InvalidInputError):
    """A file that is not audio of an accepted kind."""

    code = "not_audio"


class RateLimitError(ServiceError):
    """More than a caller may ask for in a minute."""

    code = "rate_limit"
    status = 429

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
        """Whole seconds after which the caller may try again."""


class BusyError(ServiceError):
    """A resource that is busy for now."""

    code = "busy"
    status = 503


class StorageError(ServiceError):
    """No room left on the disk."""

    code = "storage_full"
    status = 507


class DownloadError(ServiceError):
    """Something that could not be downloaded."""

    code = "download"
    status = 502


class SettingsError(ServiceError):
    """Settings that cannot be used."""

    code = "settings"
