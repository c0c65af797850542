"""Read a settled file once: its hash, and what its header and samples tell."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from enum import StrEnum

from daemon.inbox.headers import HeaderFacts, read_header
from daemon.inbox.stability import Settled

BLOCK_BYTES = 1 << 20


class Outcome(StrEnum):
    """How reading went."""

    READ = "read"
    CHANGED = "changed"
    GROWING = "growing"
    GONE = "gone"
    REJECTED = "rejected"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one file. `reason` says why it was not read."""

    settled: Settled
    outcome: Outcome
    reason: str = ""
    sha256: str = ""
    facts: HeaderFacts = HeaderFacts()
    links: int = 1


def read(settled: Settled, *, audio: bool = True) -> Reading:
    """Hash a file while reading it once; never follows a link and never waits on a special file.

    Args:
        settled: the file and how it looked; another look means that it changed.
        audio: whether its header has to agree with its length.
    """
    try:
        descriptor = os.open(settled.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Reading(settled, Outcome.GONE)
    except OSError as error:
        return Reading(settled, Outcome.HELD, f"cannot be opened: {error.strerror}")
    try:
        return _read(descriptor, settled, audio)
    except OSError as error:
        return Reading(settled, Outcome.HELD, f"cannot be read: {error.strerror}")
    finally:
        os.close(descriptor)


def file_hash(path: str) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(descriptor: int, settled: Settled, audio: bool) -> Reading:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        return Reading(settled, Outcome.HELD, "is not a regular file")
    if (before.st_size, before.st_mtime_ns) != (settled.size_bytes, settled.mtime_ns):
        return Reading(settled, Outcome.CHANGED)
    block = os.read(descriptor, min(BLOCK_BYTES, before.st_size))
    if not block and audio:
        return _unfinished(settled, "the file is empty (0 bytes); copy the recording again")
    facts = read_header(block, before.st_size) if audio else HeaderFacts()
    if facts.missing_bytes > 1:
        sentence = f"the file is truncated: its header promises {facts.missing_bytes} more bytes; copy it again in full"
        return _unfinished(settled, sentence)
    digest = hashlib.sha256(block)
    silent = _zeros(block, facts.data_start) if facts.data_start else False
    left = before.st_size - len(block)
    while left > 0 and (block := os.read(descriptor, BLOCK_BYTES)):
        digest.update(block)
        silent = silent and _zeros(block)
        left -= len(block)
    after = os.fstat(descriptor)
    if left or (after.st_size, after.st_mtime_ns, after.st_ino) != (before.st_size, before.st_mtime_ns, before.st_ino):
        return Reading(settled, Outcome.CHANGED)
    if silent:
        return Reading(settled, Outcome.REJECTED, "the recording is silent: every sample is zero; record it again")
    return Reading(settled, Outcome.READ, "", digest.hexdigest(), facts, before.st_nlink)


def _unfinished(settled: Settled, reason: str) -> Reading:
    return Reading(settled, Outcome.REJECTED if settled.patient else Outcome.GROWING, reason)


def _zeros(block: bytes, start: int = 0) -> bool:
    head = min(64, len(block) - start)
    return block.count(0, start, start + head) == head and block.count(0, start) == len(block) - start
