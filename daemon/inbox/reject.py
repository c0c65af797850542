"""Put what cannot be taken aside, each file with one sentence that says why."""

from __future__ import annotations

import logging
from pathlib import Path

from daemon.layout import REJECTED

logger = logging.getLogger(__name__)

REASON_SUFFIX = ".reason.txt"
MAX_NAME_BYTES = 255


def reject(inbox_folder: Path, parts: tuple[str, ...], reason: str) -> Path:
    """Move a file to `.rejected/` beside its reason and return where it is; an earlier one there is kept.

    Raises:
        OSError: the folder cannot be written or the file is gone.
    """
    source = inbox_folder.joinpath(*parts)
    target = _free(inbox_folder.joinpath(REJECTED, *parts))
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    _reason_file(target).write_text(f"{reason}\n", encoding="utf-8", errors="backslashreplace")
    logger.warning("rejected %r of %s: %s", "/".join(parts), inbox_folder.name, reason)
    return target


def forget_reason(inbox_folder: Path, parts: tuple[str, ...]) -> None:
    """Remove the reason of a file that was moved back and has been taken now."""
    target = inbox_folder.joinpath(REJECTED, *parts)
    if not target.exists():
        _reason_file(target).unlink(missing_ok=True)


def rejected_files(inbox_folder: Path) -> dict[str, str]:
    """Return what lies in `.rejected/` with the reasons, by path below it."""
    root = inbox_folder / REJECTED
    found = {}
    for path in sorted(root.rglob("*")) if root.is_dir() else ():
        reason = _reason_file(path)
        if path.is_file() and not path.name.endswith(REASON_SUFFIX) and reason.is_file():
            found[str(path.relative_to(root))] = reason.read_text(encoding="utf-8", errors="replace").strip()
    return found


def _reason_file(path: Path) -> Path:
    stem = path.name
    while len((stem + REASON_SUFFIX).encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return path.with_name(stem + REASON_SUFFIX)


def _free(path: Path) -> Path:
    """Return the path or, when something lies there, the first numbered one beside it that is free."""
    number, candidate = 1, path
    while candidate.exists() or candidate.is_symlink():
        number += 1
        room = MAX_NAME_BYTES - len(f" ({number}){path.suffix}".encode("utf-8", "surrogateescape"))
        stem = path.stem
        while len(stem.encode("utf-8", "surrogateescape")) > room:
            stem = stem[:-1]
        candidate = path.with_name(f"{stem} ({number}){path.suffix}")
    return candidate
