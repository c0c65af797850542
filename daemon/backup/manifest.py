"""The list of contents at the end of a backup."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from daemon.errors import StorageError

NAME = "manifest.json"
FORMAT = 1
DATABASE = "sovits.db"
FOLDERS = ("characters", "inference")
"""What lies in the work directory and cannot be made anew from elsewhere."""
LARGEST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One file."""

    size: int
    sha256: str
    mtime_ns: int
    """Kept to the nanosecond, because results on disk are recognised by it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    revision: str
    """Of the database schema."""
    version: str
    """Of the program that wrote it."""
    made_at: str
    files: dict[str, Entry]
    """Path in the work directory → facts."""

    def encode(self) -> bytes:
        """Return the manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1).encode(
            "utf-8", "surrogateescape"
        )


def decode(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        StorageError: it is damaged or of a newer format.
    """
    try:
        found: dict[str, Any] = json.loads(content.decode("utf-8", "surrogateescape"))
        if found["format"] != FORMAT:
            raise StorageError(f"the backup has format {found['format']}; install the newer version that wrote it")
        files = {
            str(path): Entry(int(facts["size"]), str(facts["sha256"]), int(facts["mtime_ns"]))
            for path, facts in found["files"].items()
        }
        return Manifest(str(found["revision"]), str(found["version"]), str(found["made_at"]), files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError("the list of contents in the backup is damaged; use another backup") from error


def is_allowed(path: str) -> bool:
    """Whether a path may be in a backup: the database, or a file below one of the known folders."""
    parts = PurePosixPath(path).parts
    if path == DATABASE:
        return True
    inside = len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts and "." not in parts
    return inside and not path.startswith("/") and "\0" not in path and str(PurePosixPath(path)) == path
