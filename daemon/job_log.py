"""The end of a job's log, for people far from the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from daemon.layout import Layout
from daemon.tables import Job

LINE_BYTES = 400
"""What a line is taken to be at most when the end of a log is read; longer ones only make the answer shorter."""
MAX_LINE_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class LogTail:
    """The newest lines of a log."""

    lines: tuple[str, ...]
    size_bytes: int
    """Of the whole log on the disk."""


def tail(layout: Layout, job: Job, lines: int) -> LogTail:
    """Return the last lines of a job's log, nothing for a job that has none (any more).

    The work directory is left out of paths: it is nothing that a client could use.
    """
    if job.log_path is None:
        return LogTail((), 0)
    path = layout.work_dir / job.log_path
    found: list[str] = []
    size_bytes = 0
    for each in (path, path.with_name(f"{path.name}.1")):  # an older part is kept beside a log that grew too large
        text, length = _end_of(each, (lines - len(found)) * LINE_BYTES)
        size_bytes += length
        found = [*text.splitlines()[-max(0, lines - len(found)) :], *found]
    prefix = f"{layout.work_dir}{os.sep}"
    return LogTail(tuple(line.replace(prefix, "")[:MAX_LINE_CHARACTERS] for line in found[-lines:]), size_bytes)


def _end_of(path: Path, length: int) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - length))
            content = stream.read(max(0, length))
    except FileNotFoundError:
        return "", 0
    if size > length and b"\n" in content:
        content = content.split(b"\n", 1)[1]  # begins in the middle of a line
    return content.decode(errors="replace"), size
