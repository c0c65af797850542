"""What is kept and what goes: old events, spoken sentences past their time, logs of old jobs, old versions of voices.

The daemon tidies once a day; `sovits-daemon cleanup` does it now, or only tells what would go.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, select

from daemon import versions
from daemon.settings import Settings
from daemon.tables import Character, Event, Inference, SpeechBatch, Status, now
from daemon.world import World

logger = logging.getLogger(__name__)

FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
IDS_AT_ONCE = 500
"""SQLite takes only so many values in one statement."""


@dataclass(frozen=True, slots=True)
class Litter:
    """What is past its time."""

    events: int
    inferences: tuple[str, ...]
    """Ids of sentences."""
    batches: tuple[str, ...]
    """Ids of batches of such sentences only."""
    versions: int
    """Versions of voices beyond those that are kept."""
    files: tuple[Path, ...]
    """Sounds of those sentences, archives of those batches, and logs."""

    @property
    def size_bytes(self) -> int:
        """How much the files take."""
        return sum(path.stat().st_size for path in self.files if path.exists())

    def __bool__(self) -> bool:
        return bool(self.events or self.inferences or self.batches or self.versions or self.files)


def find(world: World) -> Litter:
    """Return what is past its time; nothing is changed."""
    with world.database.read() as session:
        return _find(world, session)


def tidy(world: World) -> Litter:
    """Remove what is past its time and return it; may be repeated or broken off at any point.

    Files go before their rows, so that what is left after a crash is found again.
    """
    litter = find(world)
    for path in litter.files:
        path.unlink(missing_ok=True)
    if litter:
        with world.database.write() as session:
            session.execute(delete(Event).where(*_old_events(world.settings)))
            for ids in _portions(litter.inferences):
                session.execute(delete(Inference).where(col(Inference.id).in_(ids)))
            for ids in _portions(litter.batches):
                session.execute(delete(SpeechBatch).where(col(SpeechBatch.id).in_(ids)))
        for character_id in _characters(world):
            versions.retire(world, character_id)
        logger.info(
            "tidied: %d events, %d sentences, %d versions, %d files",
            litter.events, len(litter.inferences), litter.versions, len(litter.files),
        )  # fmt: skip
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("PRAGMA optimize")
    return litter


def _find(world: World, session: Session) -> Litter:
    settings, layout = world.settings, world.layout
    events = session.exec(select(func.count()).select_from(Event).where(*_old_events(settings))).one()
    sentences = _old_inferences(session, settings)
    batches = _emptied_batches(session, sentences)
    keep = settings.training.keep_versions
    surplus = sum(len(versions.surplus(session, each, keep)) for each in session.exec(select(Character)).all())
    sounds = [layout.work_dir / row.output_path for row in sentences if row.output_path]
    archives = [path for path in (layout.inference / f"{each}.zip" for each in batches) if path.exists()]
    logs = _old_logs(layout.logs, settings.log.keep_job_logs)
    ids = tuple(row.id for row in sentences)
    return Litter(events, ids, batches, surplus, (*sounds, *archives, *logs))


def _characters(world: World) -> Sequence[int]:
    with world.database.read() as session:
        return [each for each in session.exec(select(Character.id)).all() if each is not None]


def _emptied_batches(session: Session, gone: Sequence[Inference]) -> tuple[str, ...]:
    """Return the batches of which nothing is left when some sentences are gone, those emptied earlier as well."""
    left = Counter(batch for batch in session.exec(select(Inference.batch_id)).all() if batch is not None)
    left.subtract(row.batch_id for row in gone if row.batch_id is not None)
    return tuple(batch for batch in session.exec(select(SpeechBatch.id)).all() if left[batch] == 0)


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]


def _old_events(settings: Settings) -> tuple[ColumnElement[bool], ...]:
    oldest = now() - timedelta(days=settings.log.keep_events_days)
    # The newest event of a character stays: its number tells readers whether anything changed.
    newest = select(func.max(col(Event.id))).group_by(col(Event.character_id))
    return (col(Event.at) < oldest, col(Event.id).not_in(newest))


def _old_inferences(session: Session, settings: Settings) -> Sequence[Inference]:
    days = settings.inference.keep_days
    if not days:
        return []
    oldest = now() - timedelta(days=days)
    return session.exec(
        select(Inference).where(col(Inference.created_at) < oldest, col(Inference.status).in_(FINAL))
    ).all()


def _old_logs(folder: Path, kept: int) -> list[Path]:
    logs = sorted(folder.glob("job-*.log*"), key=lambda path: path.stat().st_mtime, reverse=True)
    return logs[kept:]
