"""What is kept and what goes: old events, spoken sentences past their time, logs of old jobs.

The daemon tidies once a day; `sovits-daemon cleanup` does it now, or only tells what would go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, delete, func
from sqlmodel import Session, col, select

from daemon.settings import Settings
from daemon.tables import Event, Inference, Status, now
from daemon.world import World

logger = logging.getLogger(__name__)

FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Litter:
    """What is past its time."""

    events: int
    inferences: tuple[str, ...]
    """Ids of sentences."""
    files: tuple[Path, ...]
    """Sounds of those sentences, and logs."""

    @property
    def size_bytes(self) -> int:
        """How much the files take."""
        return sum(path.stat().st_size for path in self.files if path.exists())

    def __bool__(self) -> bool:
        return bool(self.events or self.inferences or self.files)


def find(world: World) -> Litter:
    """Return what is past its time; nothing is changed."""
    with world.database.read() as session:
        events = session.exec(select(func.count()).select_from(Event).where(*_old_events(world.settings))).one()
        sentences = _old_inferences(session, world.settings)
    sounds = [world.layout.work_dir / row.output_path for row in sentences if row.output_path]
    logs = _old_logs(world.layout.logs, world.settings.log.keep_job_logs)
    return Litter(events, tuple(row.id for row in sentences), (*sounds, *logs))


def tidy(world: World) -> Litter:
    """Remove what is past its time and return it; may be repeated or broken off at any point."""
    litter = find(world)
    if litter:
        with world.database.write() as session:
            session.execute(delete(Event).where(*_old_events(world.settings)))
            session.execute(delete(Inference).where(col(Inference.id).in_(litter.inferences)))
        for path in litter.files:
            path.unlink(missing_ok=True)
        logger.info(
            "tidied: %d events, %d sentences, %d files", litter.events, len(litter.inferences), len(litter.files)
        )
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("PRAGMA optimize")
    return litter


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
