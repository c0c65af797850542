"""`run --once`: bring everything up to date and leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel import Session, col, func, select

from daemon import queue, staleness
from daemon.lane import Lane
from daemon.tables import AudioFile, Character, Event, Job, Origin, Status
from daemon.world import World
from pipeline.steps import JobKind

if TYPE_CHECKING:
    from daemon.inbox import Inbox

DONE, FAILED, NOTHING_TO_DO = 0, 1, 3
TURN_S = 0.5
CALM_TURNS = 3
"""Turns without any event, and without anything settling, before the inbox counts as taken."""


def settle_everything(world: World, inbox: Inbox, lanes: Sequence[Lane], stop: threading.Event, began: datetime) -> int:
    """Take the inbox, run all jobs that are needed, and return an exit code (a stop counts as a failure).

    Args:
        began: when the daemon started; jobs that ended since then are its own, those queued earlier among them.
    """
    _wait_until_taken(world, inbox, stop)
    asked: set[tuple[int, JobKind]] = set()
    while not stop.is_set():
        with world.database.write() as session:
            _enqueue_stale(session, world, asked)
            waiting = queue.is_waiting(session)
        if not waiting:
            break
        for lane in lanes:
            lane.poke()
        stop.wait(TURN_S)
    with world.database.read() as session:
        mine = session.exec(select(Job.status).where(col(Job.completed_at) >= began)).all()
    if stop.is_set() or any(status != Status.COMPLETED for status in mine):
        return FAILED
    return DONE if mine else NOTHING_TO_DO


def _wait_until_taken(world: World, inbox: Inbox, stop: threading.Event) -> None:
    settle_s = world.settings.inbox.settle_seconds
    calm, seen = 0, -1
    began = time.monotonic()
    while not stop.is_set() and (calm < CALM_TURNS or time.monotonic() - began < settle_s + TURN_S):
        with world.database.read() as session:
            newest = session.exec(select(func.max(col(Event.id)))).one() or 0
        settling = bool(inbox.describe().get("settling"))
        calm = calm + 1 if newest == seen and not settling else 0
        seen = newest
        stop.wait(TURN_S)


def _enqueue_stale(session: Session, world: World, asked: set[tuple[int, JobKind]]) -> None:
    """Queue what is stale, each kind once a character, so that a job that fails does not come back for ever."""
    with_audio = select(Character).where(col(Character.id).in_(select(AudioFile.character_id)))
    for character in session.exec(with_audio).all():
        assert character.id is not None
        if queue.active(session, character.id) is not None:
            continue
        for kind in (JobKind.PROCESS, JobKind.TRAIN):
            if staleness.is_complete(session, world.settings, character, kind):
                continue
            if (character.id, kind) not in asked:
                asked.add((character.id, kind))
                queue.enqueue(session, character.id, kind, Origin.INBOX)
            break
