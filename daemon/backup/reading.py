"""Unpacking a backup and checking every byte of it. A backup is untrusted: nothing in it chooses where files go."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from daemon import migrate
from daemon.backup.manifest import DATABASE, LARGEST_BYTES, NAME, Entry, Manifest, decode, is_allowed
from daemon.errors import NotFoundError, StorageError

BLOCK_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Receives bytes read and bytes in all."""


def unpack(archive_path: Path, folder: Path, progress: Progress | None = None) -> Manifest:
    """Unpack a backup into an empty folder and check it: each file, the list of contents, the database.

    Raises:
        NotFoundError: there is no such file.
        StorageError: it is no backup, or damaged, or of a newer version.
    """
    found: dict[str, Entry] = {}
    manifest: Manifest | None = None
    try:
        total = archive_path.stat().st_size
        with archive_path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as archive:
            for member in archive:
                if member.name == NAME and member.isreg():
                    manifest = decode(_whole(archive, member))
                else:
                    found[member.name] = _unpack(archive, member, folder)
                if progress is not None:
                    progress(raw.tell(), total)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no backup {archive_path}") from error
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError) as error:
        raise StorageError(f"{archive_path.name} is not a backup, or is damaged ({error}); use another one") from error
    if manifest is None:
        raise StorageError(f"{archive_path.name} has no list of contents: it is not a backup, or ends too early")
    _compare(archive_path.name, manifest, found)
    _check_database(archive_path.name, folder / DATABASE, manifest)
    for path, entry in manifest.files.items():
        os.utime(folder / path, ns=(entry.mtime_ns, entry.mtime_ns))
    return manifest


def _whole(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    if stream is None or member.size > LARGEST_BYTES:
        raise StorageError("the list of contents in the backup is damaged; use another backup")
    return stream.read()


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> Entry:
    if not member.isreg() or not is_allowed(member.name):
        raise StorageError(f"the backup holds {member.name!r}, which is no file of this service; nothing was restored")
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    stream = archive.extractfile(member)
    assert stream is not None  # it is a regular file
    with target.open("xb") as output:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            output.write(block)
        output.flush()
        os.fsync(output.fileno())
    return Entry(size, digest.hexdigest(), 0)


def _compare(name: str, manifest: Manifest, found: dict[str, Entry]) -> None:
    for path, entry in manifest.files.items():
        there = found.get(path)
        if there is None:
            raise StorageError(f"{name} is damaged: {path!r} is missing in it; use another backup")
        if (there.size, there.sha256) != (entry.size, entry.sha256):
            raise StorageError(f"{name} is damaged: {path!r} has other bytes than were written; use another backup")
    if extra := set(found) - set(manifest.files):
        raise StorageError(f"{name} holds {min(extra)!r}, which is not in its list of contents; use another backup")


def _check_database(name: str, path: Path, manifest: Manifest) -> None:
    if not path.is_file():
        raise StorageError(f"{name} holds no database; use another backup")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    except sqlite3.Error as error:
        raise StorageError(f"the database in {name} is damaged ({error}); use another backup") from error
    finally:
        connection.close()
    if verdict != "ok":
        raise StorageError(f"the database in {name} is damaged ({verdict}); use another backup")
    if revision not in migrate.known_revisions():
        raise StorageError(f"{name} was written by version {manifest.version}; install that or a newer one first")
