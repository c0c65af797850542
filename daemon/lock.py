"""One daemon a work directory: an exclusive lock on a file, held for life and freed by the kernel."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.errors import ConflictError

PATIENCE_S = 1.0
"""A status command tests the lock for a moment; a daemon that starts just then tries again."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock.

    Raises:
        ConflictError: another daemon holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        _acquire(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)  # for people; the lock itself is what counts
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a daemon runs on this lock file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _acquire(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise ConflictError(
                    f"another sovits-daemon (process {holder}) already works on {path.parent}; "
                    "stop it first or choose another work_dir"
                ) from error
            time.sleep(0.05)
