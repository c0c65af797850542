"""Unpacking an archive from a stranger: nothing outside of its folder, nothing but files, nothing beyond the limits."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from daemon.errors import InvalidInputError, StorageError, TooLargeError

MOST_ENTRIES = 200_000
MOST_BYTES = 64 * 2**30
READ_BYTES = 1 << 20
RESERVE_BYTES = 256 * 2**20


def unpack(path: Path, target: Path, most_bytes: int = MOST_BYTES) -> None:
    """Unpack a zip file into a new folder.

    Raises:
        InvalidInputError: it is no zip file, damaged, encrypted, or holds a link or a path that leads outside.
        TooLargeError: it holds too many files or too many bytes, by what it says or by what comes out.
        StorageError: there is no room for it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(path, entries, target, most_bytes)
            left = most_bytes
            for entry in entries:
                left -= _unpack_one(archive, entry, target, min(left, entry.file_size))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InvalidInputError(f"{path.name} is damaged or no zip file; copy or download it again") from error


def _check(path: Path, entries: list[zipfile.ZipInfo], target: Path, most_bytes: int) -> None:
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or size > most_bytes:
        raise TooLargeError(f"{path.name} holds {len(entries)} files of {size / 1e9:.1f} GB, more than is accepted")
    if shutil.disk_usage(target.parent).free < size + RESERVE_BYTES:
        raise StorageError(f"there is no room to unpack {path.name} ({size / 1e9:.1f} GB)")
    for entry in entries:
        name = PurePosixPath(entry.filename)
        outside = name.is_absolute() or ".." in name.parts or "\\" in entry.filename or "\0" in entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if outside or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InvalidInputError(f"{path.name} holds {entry.filename!r}, which is no plain file inside of it")
        if entry.flag_bits & 1:
            raise InvalidInputError(f"{path.name} is encrypted; unpack it first")


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> int:
    """Write one entry and return its size; what comes out beyond what was announced is refused."""
    place = target / PurePosixPath(entry.filename)
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return 0
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as stream, place.open("xb") as output:
        while block := stream.read(READ_BYTES):
            written += len(block)
            if written > limit:
                raise TooLargeError(f"{entry.filename!r} is larger than the archive says; it was refused")
            output.write(block)
    return written
