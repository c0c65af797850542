"""Removes what no present recording leads to: artifacts of deleted or replaced recordings and their files.

Rows go first, then files: a crash in between leaves files that nobody refers to, never rows without files.
"""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

from sqlmodel import Session, col, select

from daemon import events, staleness
from daemon.database import Database
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Artifact, Character
from pipeline.plan import is_complete, live_items
from pipeline.steps import JobKind

logger = logging.getLogger(__name__)


def sweep(database: Database, settings: Settings, layout: Layout, character_id: int) -> int:
    """Remove a character's litter; call it when none of its jobs runs.

    Nothing is removed while its processing is incomplete, because the plan does not know all clips then. Artifacts of a
    living clip stay even when they are stale: the same bytes may make them fresh again.

    Returns:
        Number of files removed.
    """
    with database.write() as session:
        character = session.get(Character, character_id)
        if character is None:
            return 0
        paths = _forget(session, settings, character)
        root = layout.character(character.name)
    return sum(_unlink(root, path) for path in sorted(paths))


def _forget(session: Session, settings: Settings, character: Character) -> set[str]:
    inputs = staleness.inputs_of(session, settings, character)
    if not is_complete(JobKind.PROCESS, inputs):
        return set()
    live = live_items(inputs)
    names = {item for _, item in live}
    rows = session.exec(select(Artifact).where(col(Artifact.character_id) == character.id)).all()
    litter = [row for row in rows if row.item not in names]
    kept = {output["path"] for row in rows if row.item in names for output in row.outputs}
    for row in litter:
        session.delete(row)
    if litter:
        events.append(session, "artifacts.swept", character_id=character.id, count=len(litter))
    return {output["path"] for row in litter for output in row.outputs} - kept


def _unlink(root: Path, relative: str) -> bool:
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        logger.error("an artifact of %s names the file %r outside of its folder; left alone", root.name, relative)
        return False
    try:
        (root / path).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        logger.warning("%s cannot be removed: %s", root / path, error.strerror)
        return False
    return True
