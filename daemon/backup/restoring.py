"""Putting an unpacked backup in the place of what is there.

Only renames inside the work directory, so that it works on a mount point, too. What was there is put aside, never
deleted. The intent is written down first; a crash in between is finished at the next start of the service.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

from daemon import lock
from daemon.backup import reading
from daemon.backup.manifest import Manifest
from daemon.errors import ConflictError
from daemon.layout import Layout
from daemon.tables import now
from GPT_SoVITS.durable import sync_folder

logger = logging.getLogger(__name__)

INTENT = "restore.json"
UNPACKED = ".restore-"
ASIDE = "before-restore-"


def check(archive: Path, layout: Layout, progress: reading.Progress | None = None) -> Manifest:
    """Unpack a backup, check it, and remove what was unpacked.

    Raises:
        NotFoundError, StorageError: it cannot be used; says why.
    """
    folder = _new_folder(layout)
    try:
        return reading.unpack(archive, folder, progress)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restore(
    archive: Path, layout: Layout, *, replace: bool, progress: reading.Progress | None = None
) -> tuple[Manifest, Path | None]:
    """Check a backup and make it the state of the service; return it and where the old state lies now.

    Raises:
        ConflictError: the service runs, or there is a state already and `replace` is not set.
        NotFoundError, StorageError: the backup cannot be used; nothing was changed.
    """
    layout.work_dir.mkdir(parents=True, exist_ok=True)
    with lock.exclusive(layout.lock):
        finish(layout)
        if layout.database.exists() and not replace:
            raise ConflictError(f"{layout.work_dir} holds a state already; say --replace to put it aside")
        folder = _new_folder(layout)
        try:
            manifest = reading.unpack(archive, folder, progress)
            aside = layout.work_dir / f"{ASIDE}{now():%Y%m%d-%H%M%S}"
            had_any = bool(_present(layout))
            _write_intent(layout, folder, aside)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finish(layout)
    return manifest, aside if had_any else None


def finish(layout: Layout) -> None:
    """Carry out a restore that was begun, if any; the caller holds the lock of the work directory."""
    intent = layout.work_dir / INTENT
    if not intent.exists():
        return
    names = json.loads(intent.read_text(encoding="utf-8"))
    folder, aside = layout.work_dir / names["unpacked"], layout.work_dir / names["aside"]
    if not (folder / ".old-is-aside").exists():
        for path in _present(layout):
            aside.mkdir(exist_ok=True)
            path.rename(aside / path.name)
        (folder / ".old-is-aside").touch()
    for path in sorted(folder.iterdir()):
        if path.name != ".old-is-aside":
            path.rename(layout.work_dir / path.name)
    sync_folder(layout.work_dir)
    intent.unlink()
    shutil.rmtree(folder)
    logger.info("the state was restored from a backup; the one before it lies in %s", aside.name)


def _present(layout: Layout) -> list[Path]:
    """Return what belongs to the present state."""
    kept = {INTENT, layout.lock.name}
    return [
        path
        for path in sorted(layout.work_dir.iterdir())
        if path.name not in kept and not path.name.startswith((UNPACKED, ASIDE))
    ]


def _new_folder(layout: Layout) -> Path:
    folder = layout.work_dir / f"{UNPACKED}{os.urandom(6).hex()}"
    folder.mkdir(parents=True)
    return folder


def _write_intent(layout: Layout, folder: Path, aside: Path) -> None:
    temporary = folder / INTENT
    with temporary.open("x", encoding="utf-8") as stream:
        json.dump({"unpacked": folder.name, "aside": aside.name}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(layout.work_dir / INTENT)
    sync_folder(layout.work_dir)
