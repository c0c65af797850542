"""Once a day: forget old events, remove spoken sentences past their time, tidy the database and old logs."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, func
from sqlmodel import col, select

from daemon.tables import Event, Inference, Status, now
from daemon.world import World

logger = logging.getLogger(__name__)

KEPT_JOB_LOGS = 200
FINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


def tidy(world: World) -> None:
    """Do all of it; each part may be repeated or broken off at any point."""
    _forget_events(world)
    _forget_inferences(world)
    _remove_old_logs(world.layout.logs)
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("PRAGMA optimize")


def _forget_events(world: World) -> None:
    oldest = now() - timedelta(days=world.settings.log.keep_events_days)
    # The newest event of a character stays: its number tells readers whether anything changed.
    newest = select(func.max(col(Event.id))).group_by(col(Event.character_id))
    with world.database.write() as session:
        session.execute(delete(Event).where(col(Event.at) < oldest, col(Event.id).not_in(newest)))


def _forget_inferences(world: World) -> None:
    days = world.settings.inference.keep_days
    if not days:
        return
    old = (col(Inference.created_at) < now() - timedelta(days=days), col(Inference.status).in_(FINAL))
    with world.database.write() as session:
        paths = [path for path in session.exec(select(Inference.output_path).where(*old)).all() if path]
        session.execute(delete(Inference).where(*old))
    for path in paths:
        (world.layout.work_dir / path).unlink(missing_ok=True)
    if paths:
        logger.info("removed %d spoken sentences older than %g days", len(paths), days)


def _remove_old_logs(folder: Path) -> None:
    logs = sorted(folder.glob("job-*.log*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[KEPT_JOB_LOGS:]:
        path.unlink(missing_ok=True)
