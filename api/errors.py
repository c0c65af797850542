"""The one place where failures become HTTP answers: {"status_code": N, "detail": "one clear sentence"}."""

from __future__ import annotations

import errno
import logging
import re
from typing import Any

from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException, SerializationException, ValidationException
from sqlalchemy.exc import OperationalError

from api.openai_schemas import OpenAiError, OpenAiProblem
from api.schemas import ErrorBody
from daemon.errors import RateLimitError, ServiceError

logger = logging.getLogger(__name__)

OPENAI_PREFIX = "/v1/"
NOT_READY = "the database is not ready yet; the daemon prepares it when it starts"
_SENTENCES = {
    401: "this needs authorisation",
    404: "there is nothing at this address; see /docs for what there is",
    405: "this address does not answer that method; see /docs",
    413: "the body is larger than this address accepts",
    415: "the body has a media type that this address does not accept",
}
_WHOLE_BODY = "data"
"""What Litestar calls the body."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody | OpenAiError]:
    """Return the answer for any exception; what nobody expected is logged with its traceback."""
    status, sentence = _explain(error)
    path = request.scope["path"]  # request.url cannot be read when the Host header is nonsense
    if status >= 500 and not isinstance(error, ServiceError):
        logger.error("%s %s failed", request.method, path, exc_info=error)
    body: ErrorBody | OpenAiError = ErrorBody(status_code=status, detail=sentence)
    if path.startswith(OPENAI_PREFIX):
        body = _in_the_public_shape(error, status, sentence)
    return Response(body, status_code=status, headers=_headers(error, status))


def _in_the_public_shape(error: Exception, status: int, sentence: str) -> OpenAiError:
    """Return an error as programs expect it that were written for the public speech API."""
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    param, separator, _ = sentence.partition(":")
    named = param if separator and param.isidentifier() else None
    code = error.code if isinstance(error, ServiceError) else None
    return OpenAiError(error=OpenAiProblem(message=sentence, type=kind, param=named, code=code))


def _headers(error: Exception, status: int) -> dict[str, str]:
    if isinstance(error, RateLimitError):
        return {"retry-after": str(error.retry_after_s)}
    # The rest of a slow body is not waited for, so the connection cannot be used again.
    extra = {401: {"www-authenticate": "Bearer"}, 408: {"connection": "close"}, 503: {"retry-after": "3"}}
    return extra.get(status) or dict(getattr(error, "headers", None) or {})


def _explain(error: Exception) -> tuple[int, str]:
    if isinstance(error, ServiceError):
        return error.status, str(error)
    if isinstance(error, ValidationException):
        return 400, _fields(error)
    if _is_broken_json(error):
        return 400, "the body is not valid JSON, or is nested too deeply"
    if isinstance(error, HTTPException) and error.status_code < 500:
        return error.status_code, _SENTENCES.get(error.status_code, _one_line(error.detail))
    if isinstance(error, OperationalError):
        return 503, NOT_READY
    if isinstance(error, OSError) and error.errno in _FULL:
        return 507, "the disk that holds the work directory is full; free some space"
    return 500, "the service failed in a way that it does not know; its log says more"


def _is_broken_json(error: Exception) -> bool:
    """Return whether decoding the body failed; deep nesting gets past Litestar as the decoder's own RecursionError."""
    if isinstance(error, ClientException):
        return isinstance(error.__cause__, SerializationException)
    return isinstance(error, RecursionError) and "deserializing" in str(error)


def _fields(error: ValidationException) -> str:
    """Name each field that is wrong."""
    problems = error.extra if isinstance(error.extra, list) else []
    sentences = [_field(problem) for problem in problems if isinstance(problem, dict)]
    return "; ".join(sentences) or _one_line(error.detail)


def _field(problem: dict[str, Any]) -> str:
    message = _one_line(str(problem.get("message", "it cannot be accepted")))
    message, _, inner = message.partition(" - at `$.")
    where = inner.rstrip("`") or str(problem.get("key") or "")
    if where == _WHOLE_BODY:
        where = ""
    unknown = re.search(r"unknown field `(.*)`", message)
    if unknown is not None:
        return f"{_inside(where, unknown[1])}: unknown field"
    missing = re.search(r"missing required field `(.*)`", message)
    if missing is not None:
        return f"{_inside(where, missing[1])}: this field is missing"
    if not where:
        return "the body is missing or is not the JSON object that is expected"
    return f"{where}: {message[:1].lower() + message[1:]}"


def _inside(where: str, field: str) -> str:
    return f"{where}.{field}" if where else field


def _one_line(text: str) -> str:
    return " ".join(text.split())
