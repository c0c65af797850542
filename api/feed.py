"""The events of the database, read once for all clients of this process.

While somebody follows, one task asks SQLite's data_version a few times a second and reads the new rows when it moved.
A follower keeps nothing but its place; one that is slow reads what it missed from the database.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from anyio import to_thread
from litestar.di import NamedDependency
from sqlmodel import Session, col, func, select

from api.polling import DataVersion
from api.schemas_jobs import EventInfo
from api.stopping import Stopping
from daemon.database import Database
from daemon.errors import BusyError, ServiceError
from daemon.tables import Character, Event

POLL_S = 0.2
BATCH = 500
KEPT = 2000
MAX_FOLLOWERS = 1000
DELETED = "character.deleted"


@dataclass(frozen=True, slots=True)
class Told:
    """One event as clients get it."""

    info: EventInfo
    character_id: int | None
    text: bytes
    """The event as JSON."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a client wants; None: whatever it is."""

    character_id: int | None = None
    character_name: str | None = None
    job_id: int | None = None
    kind: str | None = None
    """The beginning of dotted words: `job` means job.started, job.finished …"""

    def wants(self, told: Told) -> bool:
        """Return whether an event passes."""
        info = told.info
        if self.character_id is not None and told.character_id != self.character_id:
            # A deleted character's events belong to nobody; of its end its followers are told all the same.
            return info.kind == DELETED and info.data.get("name") == self.character_name
        if self.job_id is not None and info.job_id != self.job_id:
            return False
        return self.kind is None or info.kind == self.kind or info.kind.startswith(f"{self.kind}.")


class Feed:
    """Hands events to followers. Used from the event loop only."""

    def __init__(self, database: Database, stopping: Stopping) -> None:
        self.stopping = stopping
        self._database = database
        self._version = DataVersion(database.path)
        self._recent: deque[Told] = deque(maxlen=KEPT)
        self._latest = 0
        self._moved = asyncio.Condition()
        self._followers = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def follower(self) -> AsyncIterator[None]:
        """Count somebody who follows; the first one starts the reading, the last one ends it.

        Raises:
            BusyError: too many follow already.
        """
        if self._followers >= MAX_FOLLOWERS:
            raise BusyError(f"{MAX_FOLLOWERS} clients follow the events of this process already; try again later")
        self._followers += 1
        if self._task is None:
            self._recent.clear()
            self._latest = await self.latest()
            self._task = self._task or asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._followers -= 1
            if self._followers == 0 and self._task is not None:
                self._task.cancel()
                self._task = None

    async def latest(self) -> int:
        """Return the id of the newest event in the database, 0 without any."""
        return await to_thread.run_sync(self._read_latest)

    async def after(self, place: int, timeout_s: float) -> Sequence[Told]:
        """Return the events behind a place, waiting for some; none when the time is over."""
        if place >= self._latest:
            try:
                async with self._moved, asyncio.timeout(timeout_s):
                    await self._moved.wait_for(lambda: self._latest > place)
            except TimeoutError:
                return ()
        if self._recent and self._recent[0].info.event_id <= place + 1:
            return [told for told in self._recent if told.info.event_id > place][:BATCH]
        return await to_thread.run_sync(read, self._database, place, BATCH)

    def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._version.close()

    async def _poll(self) -> None:
        seen: int | None = -1
        while True:
            version = self._version.current()
            if version is None or version != seen:
                seen = version
                await self._take_new()
            await asyncio.sleep(POLL_S)

    async def _take_new(self) -> None:
        while True:
            try:
                found = await to_thread.run_sync(read, self._database, self._latest, BATCH)
            except ServiceError:  # busy; the next turn reads it
                return
            if not found:
                return
            async with self._moved:
                self._recent.extend(found)
                self._latest = found[-1].info.event_id
                self._moved.notify_all()

    def _read_latest(self) -> int:
        with self._database.read() as session:
            return newest_id(session)


def newest_id(session: Session) -> int:
    """Return the id of the newest event, 0 without any."""
    return session.exec(select(func.max(col(Event.id)))).one() or 0


def read(database: Database, place: int, limit: int) -> list[Told]:
    """Read events behind a place, oldest first. Ids follow the order of commits: there is one writer at a time."""
    with database.read() as session:
        return select_after(session, place, limit)


def select_after(session: Session, place: int, limit: int) -> list[Told]:
    """Read events behind a place, oldest first."""
    query = (
        select(Event, Character.name)
        .outerjoin(Character, col(Character.id) == col(Event.character_id))
        .where(col(Event.id) > place)
        .order_by(col(Event.id))
        .limit(limit)
    )
    return [_told(event, name) for event, name in session.exec(query).all()]


def _told(event: Event, name: str | None) -> Told:
    assert event.id is not None
    info = EventInfo(
        event_id=event.id,
        at=event.at,
        kind=event.kind,
        character_name=name,
        job_id=event.job_id,
        data=event.data,
    )
    return Told(info, event.character_id, msgspec.json.encode(info))


FeedDependency = NamedDependency[Feed]
