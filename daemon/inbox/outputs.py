"""Compare what the steps wrote with what lies on the disk; what is missing or changed has to be made again."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from daemon import events, queue
from daemon.database import Database
from daemon.inbox.reading import file_hash
from daemon.layout import Layout
from daemon.tables import Artifact, Character
from pipeline.steps import LIST_ITEM, StepName

logger = logging.getLogger(__name__)

Outputs = list[dict[str, Any]]


def check_outputs(database: Database, layout: Layout, character_id: int) -> int:
    """Forget the artifacts of a character whose files are gone or changed; returns how many.

    Nothing is done while a job of the character is waiting or running. A touched file with the same bytes stays.

    Raises:
        OSError: a folder is there and cannot be read.
        ServiceError: the database is busy or full.
    """
    with database.read() as session:
        character = session.get(Character, character_id)
        if character is None or character.renaming_to or queue.active(session, character_id) is not None:
            return 0
        columns = select(Artifact.id, Artifact.step, Artifact.item, Artifact.outputs, Artifact.input_hash)  # type: ignore[call-overload]
        rows = session.exec(columns.where(Artifact.character_id == character_id)).all()
    root = layout.character(character.name)
    if not root.is_dir():
        return 0
    folders = _Folders(root)
    lost, touched = {}, {}
    for number, step, item, outputs, input_hash in rows:
        hand_edited = step == StepName.ASR_TRANSCRIBE and item == LIST_ITEM  # its edits are taken elsewhere
        if all(folders.has(output, any_version=hand_edited) for output in outputs):
            continue
        now_on_disk = None if hand_edited else _touched_only(root, outputs)
        if now_on_disk is None:
            lost[number] = input_hash
        else:
            touched[number] = now_on_disk
    if not lost and not touched:
        return 0
    return _write(database, character_id, lost, touched)


def _write(database: Database, character_id: int, lost: Mapping[int, str], touched: Mapping[int, Outputs]) -> int:
    with database.write() as session:
        if queue.active(session, character_id) is not None:
            return 0
        ids = [*lost, *touched]
        query = select(Artifact).where(Artifact.character_id == character_id, col(Artifact.id).in_(ids))
        forgotten: dict[str, int] = {}
        for row in session.exec(query).all():
            assert row.id is not None
            if row.id in touched:
                row.outputs = touched[row.id]
                session.add(row)
            elif row.input_hash == lost[row.id]:
                session.delete(row)
                forgotten[row.step] = forgotten.get(row.step, 0) + 1
        if forgotten:
            events.append(session, "artifacts.lost", character_id=character_id, steps=forgotten)
            logger.warning("results are gone or changed on the disk and will be made again: %s", forgotten)
        return sum(forgotten.values())


def _touched_only(root: Path, outputs: Outputs) -> Outputs | None:
    """Return the outputs with their present times if all bytes are the recorded ones."""
    current = []
    for output in outputs:
        path = root / output["path"]
        try:
            status = path.stat()
            if status.st_size != output["size_bytes"] or file_hash(str(path)) != output["sha256"]:
                return None
        except OSError:
            return None
        current.append({**output, "mtime_ns": status.st_mtime_ns})
    return current


class _Folders:
    """Sizes and times of all files, a folder read at once."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._seen: dict[str, dict[str, tuple[int, int]]] = {}

    def has(self, output: Mapping[str, Any], *, any_version: bool = False) -> bool:
        folder, _, name = str(output["path"]).rpartition("/")
        if folder not in self._seen:
            self._seen[folder] = _listing(f"{self._root}/{folder}")
        found = self._seen[folder].get(name)
        return found is not None and (any_version or found == (output["size_bytes"], output["mtime_ns"]))


def _listing(folder: str) -> dict[str, tuple[int, int]]:
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.name] = (status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        return {}
    return found
