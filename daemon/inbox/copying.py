"""Copy a file so that a crash at any moment leaves either nothing or all of it."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from daemon.inbox.reading import BLOCK_BYTES, Reading


def copy_verified(path: str, scratch: Path, reading: Reading) -> str:
    """Copy a file into the scratch folder with its time, flushed to the disk, and return where the copy is.

    Raises:
        OSError: no room, or the bytes are not those that were read before.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / f"taken-{os.urandom(8).hex()}"
    digest = hashlib.sha256()
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(source, "rb", buffering=0) as stream, target.open("xb", buffering=0) as copy:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
                _write_all(copy.fileno(), block)
            os.fsync(copy.fileno())
        if digest.hexdigest() != reading.sha256:
            raise OSError(errno.EBUSY, "it changed while it was copied")
        os.utime(target, ns=(reading.settled.mtime_ns, reading.settled.mtime_ns))
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return str(target)


def write_text(target: Path, text: str, scratch: Path) -> None:
    """Write a small file as a whole.

    Raises:
        OSError: it cannot be written.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    unfinished = scratch / f"text-{os.urandom(8).hex()}"
    try:
        with unfinished.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
