"""The append-only record of what changed. Every mutation appends one, so that readers can tell cheaply."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, func, select

from daemon.tables import Event


def append(
    session: Session, kind: str, *, character_id: int | None = None, job_id: int | None = None, **data: Any
) -> Event:
    """Add an event to the session's transaction.

    Args:
        session: a writing session.
        kind: dotted words, such as audio.added.
        character_id: whom it is about.
        job_id: the job it belongs to.
        data: facts as plain JSON values.
    """
    event = Event(kind=kind, character_id=character_id, job_id=job_id, data=data)
    session.add(event)
    return event


def latest_id(session: Session, character_id: int) -> int:
    """Return the id of the newest event of a character, 0 without any."""
    return session.exec(select(func.max(col(Event.id))).where(Event.character_id == character_id)).one() or 0
