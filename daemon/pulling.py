"""Fetching the public base weights from the hub: pinned, resumable, and trusted only after hashing and reading them."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from daemon.base_models import Check, ModelStore, Outcome, Recorded, Verdict, hash_of
from daemon.errors import DownloadError
from daemon.model_reader import ModelReader
from GPT_SoVITS.base_files import BaseFile
from GPT_SoVITS.base_release import PUBLISHED_SHA256, REPOSITORY, REVISION
from GPT_SoVITS.families import FamilyName

PULLED = ".pulled"
"""Sub-folder of the models folder with what is being downloaded; an interrupted download goes on from there."""
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE = {"1", "ON", "YES", "TRUE"}
_HEADERS = {"User-Agent": "sovits-daemon", "Accept-Encoding": "identity"}
"""Compressed, a file could not be gone on with where it ended."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Release:
    """Where a set of files is published, and which bytes they are."""

    repository: str = REPOSITORY
    revision: str = REVISION
    sha256: Mapping[str, str] = field(default_factory=lambda: PUBLISHED_SHA256)
    """Path → SHA-256; for other files the sum that the hub states is taken."""
    endpoint: str | None = None
    """Address of a mirror; None: HF_ENDPOINT, else the hub itself."""


def pull(
    store: ModelStore, name: FamilyName, files: Sequence[BaseFile], release: Release, reader: ModelReader
) -> Iterator[Outcome]:
    """Download the files of a family that are not in place yet, one after the other.

    Raises:
        DownloadError: offline mode is on, or the hub cannot be reached, or does not have a file.
        StorageError: there is no room for a file.
    """
    refuse_offline()
    hub = _Hub(store.home / PULLED, release)
    for file in files:
        recorded = store.record().get(file.path)
        wanted = release.sha256.get(file.path) or (recorded.sha256 if recorded is not None else None)
        if wanted is not None and store.holds(file.path, wanted):
            yield Outcome(Verdict.PRESENT, file.path)
            continue
        yield from _pull_one(store, hub, file, Check(reader, file, name))


def refuse_offline() -> None:
    """Stop here when the environment forbids downloads.

    Raises:
        DownloadError: it does.
    """
    for variable in _OFFLINE_VARIABLES:
        if os.environ.get(variable, "").upper() in _TRUE:
            raise DownloadError(
                f"{variable} is set, so nothing is downloaded; unset it, or take the files from a folder with "
                "`sovits-daemon models import DIR`"
            )


def _pull_one(store: ModelStore, hub: _Hub, file: BaseFile, checks: Check) -> Iterator[Outcome]:
    pulled = hub.fetch(file)
    if pulled is None:
        return
    refusal = hub.difference(pulled, file.path)
    if refusal is not None:
        hub.forget(file.path)
        yield Outcome(Verdict.REFUSED, file.path, refusal)
        return
    source = f"{hub.release.repository}@{hub.release.revision}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts = Recorded(hash_of(pulled), pulled.stat().st_size, source, now)
    outcome = store.adopt(pulled, file.path, checks, facts)
    hub.forget(file.path)
    yield outcome


class _Hub:
    """A release on the hub, and the folder that downloads go to first."""

    def __init__(self, folder: Path, release: Release) -> None:
        self.release = release
        self._folder = folder
        self._stated: dict[str, str] = {}

    def fetch(self, file: BaseFile) -> Path | None:
        """Download one file, going on where an earlier try ended; None for an optional one that is not published.

        Raises:
            DownloadError: it cannot be had.
        """
        from huggingface_hub import constants
        from huggingface_hub.errors import EntryNotFoundError

        path = file.path
        place = f"{self.release.repository} at {self.release.endpoint or constants.ENDPOINT}"
        try:
            return self._download(path)
        except EntryNotFoundError as error:
            if file.optional:
                return None
            raise DownloadError(f"{place} has no {path} in revision {self.release.revision}") from error
        except Exception as error:  # the client raises many kinds for a network that fails
            raise DownloadError(
                f"{path} could not be downloaded from {place} ({_brief(error)}); run the command again to go on where "
                "it ended, or name a mirror with --mirror"
            ) from error

    def _download(self, path: str) -> Path:
        """Download into a partial file of our own: the client's own ones do not outlive the process."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils.tqdm import disable_progress_bars

        if not sys.stderr.isatty():
            disable_progress_bars()
        release = self.release
        url = hf_hub_url(release.repository, path, revision=release.revision, endpoint=release.endpoint)
        stated = get_hf_file_metadata(url, token=False, endpoint=release.endpoint)
        self._stated[path] = stated.etag or ""
        partial, whole = self._partial(path), self._folder / path
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as stream:
            http_get(
                stated.location,
                stream,
                resume_size=stream.tell(),
                headers=_HEADERS,
                expected_size=stated.size,
                displayed_filename=path,
            )
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(whole)
        return whole

    def _partial(self, path: str) -> Path:
        """Return where an unfinished download lies; other bytes, by what the hub states, have another name.

        What it states is hashed, for a mirror may state anything, a path to somewhere else among it.
        """
        stated = hashlib.sha256(self._stated[path].encode()).hexdigest()
        return self._folder / f"{path}.{stated[:16]}.part"

    def difference(self, pulled: Path, path: str) -> str | None:
        """Return what is wrong with the bytes of a download, or None."""
        published = self.release.sha256.get(path)
        stated = self._stated.get(path, "")
        if published is None and _SHA256.fullmatch(stated):
            published = stated
        if published is not None:
            wrong = hash_of(pulled) != published
        else:
            wrong = bool(_GIT_BLOB.fullmatch(stated)) and _git_hash(pulled) != stated
        return "the bytes that came are not the published ones; try again, or another mirror" if wrong else None

    def forget(self, path: str) -> None:
        """Delete what is left of a download."""
        (self._folder / path).unlink(missing_ok=True)


def _git_hash(path: Path) -> str:
    """Return the object name that git gives a file, by which the hub states small ones."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
