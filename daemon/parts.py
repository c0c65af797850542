"""The parts of the daemon that work on the database: opened together, closed together.

`daemon.service` loads this module only after it has started the API, so that both load their libraries side by side.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon import gpus, inferences, keys, migrate, queue, renaming
from daemon.database import Database
from daemon.inbox import Inbox
from daemon.lane import Lane, stop_lanes
from daemon.layout import Layout
from daemon.scheduler import DAY_S, IDLE_POKE_S, TICK_S, ChangeDetector, Clock
from daemon.settings import Settings
from daemon.supervisor import JobSupervisor
from daemon.tables import Origin, ServiceState, now
from daemon.voice_lane import VoiceLane
from daemon.world import World
from pipeline.steps import JobKind

if TYPE_CHECKING:
    from daemon.service import Commands

logger = logging.getLogger(__name__)

GPU_SAMPLE_S = 15.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs in a daemon besides its main thread and the API."""

    world: World
    lanes: Sequence[Lane]
    inbox: Inbox
    clock: Clock

    @property
    def health(self) -> dict[str, bool]:
        """Whether each part is alive."""
        lanes = {lane.name: lane.healthy for lane in self.lanes}
        return {"watcher": self.inbox.healthy, "scheduler": self.clock.healthy, **lanes}

    def exposure(self) -> str | None:
        """Return a sentence when everybody who reaches the API may use it, else None."""
        with self.world.database.read() as session:
            return keys.exposure(session, self.world.settings)

    def record(self, health: Mapping[str, bool], ready: bool, address: Mapping[str, Any] | None) -> None:
        """Write down how the daemon is and where its API listens, for other processes.

        Raises:
            ServiceError: the database is busy or the disk is full.
        """
        inbox = json.loads(json.dumps(self.inbox.describe(), default=str))
        facts = {"pid": os.getpid(), "ready": ready, "health": dict(health), "inbox": inbox}
        with self.world.database.write() as session:
            session.merge(ServiceState(key="daemon", value=facts, updated_at=now()))
            if address is not None:
                session.merge(ServiceState(key="api", value=dict(address), updated_at=now()))


@contextmanager
def opened(settings: Settings, layout: Layout, commands: Commands, others: Sequence[Lane]) -> Iterator[Parts]:
    """Bring the database up to date, put right what an earlier daemon left, and start all parts.

    At the end they are stopped, together with `others`, and the database is closed after the last of them.
    """
    with ExitStack() as stack:
        world = World(Database(layout.database), settings, layout)
        stack.callback(world.database.close)
        _prepare(world)
        jobs = [JobSupervisor(world, commands.job_worker), VoiceLane(world, commands.voice_worker)]
        lanes = [*others, *jobs]
        stack.callback(stop_lanes, lanes)
        for lane in jobs:
            lane.start()
        inbox = _inbox(world)
        stack.callback(inbox.stop)
        inbox.start()
        yield Parts(world, lanes, inbox, _clock(world, jobs, inbox, stack))


def _prepare(world: World) -> None:
    """Make the database current and put right what an earlier daemon left unfinished."""
    migrate.upgrade(world.database)
    for leftover in world.layout.scratch.iterdir():
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
    renaming.finish_renames(world.database, world.layout)
    training = world.settings.training
    recovered = queue.recover(world.database, queue.Limits(training.max_attempts, training.retry_seconds))
    if recovered:
        logger.info("%d interrupted jobs were put back", recovered)
    inferences.recover(world.database)


def _inbox(world: World) -> Inbox:
    def enqueue(character_id: int) -> None:
        with world.database.write() as session:
            queue.enqueue(session, character_id, JobKind.PROCESS, Origin.INBOX)

    return Inbox(world.database, world.layout, world.settings, enqueue=enqueue)


def _clock(world: World, jobs: Sequence[Lane], inbox: Inbox, stack: ExitStack) -> Clock:
    detector = ChangeDetector(world.database.path)
    stack.callback(detector.close)
    poked = 0.0

    def dispatch() -> None:
        nonlocal poked
        overdue = time.monotonic() - poked > IDLE_POKE_S  # a waiting job's pause may be over
        if detector.changed() or overdue:
            poked = time.monotonic()
            for lane in jobs:
                lane.poke()

    def tidy() -> None:
        from daemon.retention import tidy

        tidy(world)

    def watch_gpus() -> None:
        if facts := gpus.sample():
            with world.database.write() as session:
                session.merge(ServiceState(key="gpus", value=facts, updated_at=now()))

    clock = Clock()
    clock.every(TICK_S, dispatch, "dispatch")
    clock.every(TICK_S, inbox.tick, "inbox")
    clock.every(DAY_S, tidy, "retention")
    if gpus.present():
        clock.every(GPU_SAMPLE_S, watch_gpus, "gpus")
    clock.start()
    stack.callback(clock.stop)
    return clock
