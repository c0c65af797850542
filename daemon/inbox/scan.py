"""Walk one folder of the inbox without following links, and remember what could not be read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from daemon.inbox.filters import is_litter


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file. Names may hold surrogates for bytes that are not UTF-8."""

    path: str
    folder: str
    """The character's folder in the inbox."""
    parts: tuple[str, ...]
    """Its path below that folder."""
    size_bytes: int
    mtime_ns: int

    @property
    def relative(self) -> str:
        """The path below the character's folder, with slashes."""
        return "/".join(self.parts)


@dataclass(slots=True)
class Scan:
    """What a walk found."""

    entries: list[Entry] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Folders that cannot be read, with the reason."""
    left_alone: dict[str, str] = field(default_factory=dict)
    """Links and special files."""


def walk(root: str, folder: str) -> Scan:
    """List the files in one character's inbox folder and below; litter is passed over."""
    found = Scan()
    _walk(os.path.join(root, folder), folder, (), found)  # noqa: PTH118 - plain text is much faster for many files
    return found


def look(root: str, path: str) -> Entry | None:
    """Return one file as `walk` would, or None when it is not there or no regular file."""
    folder, _, rest = path[len(root) + 1 :].partition("/")
    if not rest:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if status.st_mode & 0o170000 != 0o100000:
        return None
    return Entry(path, folder, tuple(rest.split("/")), status.st_size, status.st_mtime_ns)


def _walk(place: str, folder: str, parts: tuple[str, ...], found: Scan) -> None:
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if not is_litter(entry.name):
                    _note(entry, folder, (*parts, entry.name), found)
    except FileNotFoundError:
        return
    except OSError as error:
        found.unreadable[place] = f"cannot be read: {error.strerror}; give the service's user access to it"


def _note(entry: os.DirEntry[str], folder: str, parts: tuple[str, ...], found: Scan) -> None:
    try:
        if entry.is_dir(follow_symlinks=False):
            _walk(entry.path, folder, parts, found)
        elif entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            found.entries.append(Entry(entry.path, folder, parts, status.st_size, status.st_mtime_ns))
        else:
            what = "a symbolic link" if entry.is_symlink() else "a special file"
            found.left_alone[entry.path] = f"{what} is left alone; put the file itself here"
    except FileNotFoundError:
        return
