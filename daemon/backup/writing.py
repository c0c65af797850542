"""Writing a backup.

The database is copied with SQLite's backup call and the files are hard-linked while a writing transaction is held, so
that neither can change in between; packing the links takes its time afterwards. Files of the work directory are only
ever replaced by renaming, so a link keeps the bytes that it was made for.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from daemon import migrate
from daemon.backup.manifest import DATABASE, FOLDERS, NAME, Entry, Manifest
from daemon.errors import ConflictError, StorageError
from daemon.tables import now
from daemon.world import World
from GPT_SoVITS.durable import sync_folder

BLOCK_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Receives bytes written and bytes in all."""


def write(world: World, target: Path, version: str, progress: Progress | None = None) -> Manifest:
    """Write a backup; the service may run meanwhile.

    Args:
        world: the installation.
        target: a file that does not exist, .tar or .tar.gz.
        version: of this program, noted in the backup.
        progress: told after each block.

    Raises:
        ConflictError: the file exists.
        StorageError: there is not enough room, or the service was started anew meanwhile.
    """
    if target.exists():
        raise ConflictError(f"{target} exists already; choose another name")
    picture = world.layout.scratch / f"backup-{os.urandom(6).hex()}"
    temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
    try:
        _take_picture(world, picture)
        _require_room(picture, target)
        manifest = _pack(picture, temporary, target.suffix == ".gz", version, progress)
        os.link(temporary, target)  # unlike a rename this never replaces what somebody else has put there
        sync_folder(target.parent)
        return manifest
    except FileExistsError as error:
        raise ConflictError(f"{target} exists already; choose another name") from error
    except FileNotFoundError as error:
        if picture.exists():
            raise
        raise StorageError("the service was started anew while the backup was written; write it again") from error
    finally:
        temporary.unlink(missing_ok=True)
        shutil.rmtree(picture, ignore_errors=True)


def _take_picture(world: World, picture: Path) -> None:
    picture.mkdir(parents=True)
    with world.database.write():
        source = sqlite3.connect(world.layout.database)
        copy = sqlite3.connect(picture / DATABASE)
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        finally:
            copy.close()
            source.close()
        for folder in FOLDERS:
            _link_tree(world.layout.work_dir / folder, picture / folder)


def _link_tree(source: Path, target: Path) -> None:
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if not (Path(folder) / name).is_symlink()]
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in files:
            path = Path(folder) / name
            if not _is_unfinished(name) and path.is_file() and not path.is_symlink():
                _link(path, place / name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:  # a worker replaced a file of its own that is not on record yet
        return
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(".tmp")


def _require_room(picture: Path, target: Path) -> None:
    needed = sum(path.stat().st_size for path in _files(picture))
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise StorageError(
            f"the backup takes up to {needed / 1e9:.1f} GB, and {target.parent} has {free / 1e9:.1f} GB free"
        )


def _pack(picture: Path, target: Path, compressed: bool, version: str, progress: Progress | None) -> Manifest:
    paths = sorted(_files(picture))
    total = sum(path.stat().st_size for path in paths)
    entries: dict[str, Entry] = {}
    done = 0
    with target.open("xb") as raw:
        with _tar(raw, compressed) as archive:
            for path in paths:
                name = path.relative_to(picture).as_posix()
                entries[name] = _add(archive, path, name)
                done += entries[name].size
                if progress is not None:
                    progress(done, total)
            made_at = now().isoformat(timespec="seconds")
            manifest = Manifest(migrate.HEAD, version, made_at, entries)
            encoded = manifest.encode()
            facts = tarfile.TarInfo(NAME)
            facts.size = len(encoded)
            archive.addfile(facts, io.BytesIO(encoded))
        raw.flush()
        os.fsync(raw.fileno())
    return manifest


def _tar(raw: IO[bytes], compressed: bool) -> tarfile.TarFile:
    if compressed:
        return tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT)
    return tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> Entry:
    with path.open("rb") as stream:
        stat = os.fstat(stream.fileno())
        facts = tarfile.TarInfo(name)
        facts.size, facts.mtime, facts.mode = stat.st_size, int(stat.st_mtime), 0o640
        hashing = _HashingReader(stream, stat.st_size)
        archive.addfile(facts, hashing)  # type: ignore[arg-type]
    return Entry(stat.st_size, hashing.sha256, stat.st_mtime_ns)


class _HashingReader:
    """Reads exactly the first `size` bytes of a stream (metrics may grow meanwhile) and hashes them."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left, self._digest = stream, size, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        wanted = self._left if size < 0 else min(size, self._left)
        block = self._stream.read(wanted)
        self._left -= len(block)
        self._digest.update(block)
        return block

    @property
    def sha256(self) -> str:
        """Of what was read, hexadecimal."""
        return self._digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
