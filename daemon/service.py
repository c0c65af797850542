"""The daemon itself: takes the lock, starts all parts, watches over them, and stops them in order."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon import lock, processes, queue
from daemon.api_process import ApiProcesses, answers, listen
from daemon.database import Database
from daemon.errors import ServiceError
from daemon.layout import Layout
from daemon.notify import Notifier
from daemon.scheduler import DAY_S, IDLE_POKE_S, TICK_S, ChangeDetector, Clock
from daemon.settings import Settings
from daemon.supervisor import JobSupervisor
from daemon.tables import Origin, ServiceState, now
from daemon.voice_lane import VoiceLane
from daemon.world import World
from pipeline.steps import JobKind

if TYPE_CHECKING:
    from daemon.inbox import Inbox
    from daemon.lane import Lane

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
STARTUP_POLL_S = 0.05
STOP_WAIT_S = 38.0


@dataclass(frozen=True, slots=True)
class Commands:
    """How the workers are started; None: this project's own."""

    job_worker: Sequence[str] | None = None
    voice_worker: Sequence[str] | None = None


class Service:
    """All parts of a running daemon. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, commands: Commands = Commands()) -> None:  # noqa: B008 - it is frozen
        self._settings = settings
        self._layout = Layout.of(settings)
        self._commands = commands
        self._notifier = Notifier()
        self._stop = threading.Event()
        self._clock = Clock()
        self._last_poke = 0.0
        self._ready = False

    def stop(self) -> None:
        """Ask the service to stop; safe in a signal handler and from any thread."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped.

        Raises:
            ServiceError: another daemon works here, the port is taken, or the database cannot be used.
        """
        with self._parts() as (world, lanes, inbox):
            self._watch_over(world, lanes, inbox)
            self._notifier.stopping()
            logger.info("stopping")

    def run_once(self) -> int:
        """Take what lies in the inbox, process and train all that is stale, and return an exit code.

        Returns:
            0 all is done, 1 something failed, 3 there was nothing to do.
        """
        from daemon.once import settle_everything

        with self._parts(api=False) as (world, lanes, inbox):
            return settle_everything(world, inbox, lanes, self._stop)

    @contextmanager
    def _parts(self, api: bool = True) -> Iterator[tuple[World, list[Lane], Inbox]]:
        with ExitStack() as stack:
            stack.enter_context(lock.exclusive(self._layout.lock))
            self._layout.create()
            processes.kill_orphans(self._layout.work_dir)
            database = Database(self._layout.database)
            stack.callback(database.close)
            world = World(database, self._settings, self._layout)
            lanes: list[Lane] = []
            stack.callback(lambda: _stop_lanes(lanes))
            if api and self._settings.server.enabled:
                # First, because it takes longest to come up; until the database is ready it answers 503.
                lanes.append(ApiProcesses(world, listen(self._settings.server)))
                lanes[0].start()
            _prepare(world)
            inbox = _make_inbox(world)
            jobs = [
                JobSupervisor(world, self._commands.job_worker),
                VoiceLane(world, self._commands.voice_worker),
            ]
            for lane in jobs:
                lane.start()
            lanes += jobs
            stack.callback(inbox.stop)
            inbox.start()
            self._start_clock(world, jobs, inbox, stack)
            yield world, lanes, inbox

    def _start_clock(self, world: World, jobs: Sequence[Lane], inbox: Inbox, stack: ExitStack) -> None:
        detector = ChangeDetector(world.database.path)
        stack.callback(detector.close)

        def dispatch() -> None:
            overdue = time.monotonic() - self._last_poke > IDLE_POKE_S  # a waiting job's pause may be over
            if detector.changed() or overdue:
                self._last_poke = time.monotonic()
                for lane in jobs:
                    lane.poke()

        def tidy() -> None:
            from daemon.retention import tidy

            tidy(world)

        self._clock.every(TICK_S, dispatch, "dispatch")
        self._clock.every(TICK_S, inbox.tick, "inbox")
        self._clock.every(DAY_S, tidy, "retention")
        self._clock.start()
        stack.callback(self._clock.stop)

    def _watch_over(self, world: World, lanes: Sequence[Lane], inbox: Inbox) -> None:
        """Heartbeat, readiness and watchdog, in the main thread: it is the one that cannot die unseen."""
        watchdog = self._notifier.watchdog_seconds
        pause = min(HEARTBEAT_S, watchdog / 3) if watchdog else HEARTBEAT_S
        api = next((lane for lane in lanes if isinstance(lane, ApiProcesses)), None)
        beaten = 0.0
        while not self._stop.is_set():
            became_ready = not self._ready and (api is None or answers(api.host, api.port))
            if became_ready:
                self._announce(world, api)
            if became_ready or time.monotonic() - beaten >= pause:
                beaten = time.monotonic()
                self._beat(world, lanes, inbox, api)
            self._stop.wait(pause if self._ready else STARTUP_POLL_S)

    def _announce(self, world: World, api: ApiProcesses | None) -> None:
        self._ready = True
        where = api.url if api else "without an API"
        logger.info("ready: %s, inbox %s", where, world.layout.inbox_dir)
        self._notifier.ready(f"ready: {where}")

    def _beat(self, world: World, lanes: Sequence[Lane], inbox: Inbox, api: ApiProcesses | None) -> None:
        """Write down how all parts are, and feed the watchdog when all are well."""
        health = {
            "watcher": inbox.healthy,
            "scheduler": self._clock.healthy,
            **{lane.name: lane.healthy for lane in lanes},
        }
        with suppress(ServiceError):  # a full or busy database: the next beat tells
            _record(world, health, inbox.describe(), api, self._ready)
        ill = ", ".join(name for name, well in health.items() if not well)
        if not ill:
            self._notifier.ping()
            return
        logger.error("not healthy: %s", ill)
        self._notifier.status(f"not healthy: {ill}")


def run(settings: Settings, *, once: bool = False, commands: Commands = Commands()) -> int:  # noqa: B008 - frozen
    """Run the daemon in this process, with its signal handling, and return the exit code."""
    service = Service(settings, commands)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if once:
        return service.run_once()
    service.run()
    return 0


def _prepare(world: World) -> None:
    """Make the database current and put right what an earlier daemon left unfinished."""
    from daemon import inferences, migrate, renaming

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


def _make_inbox(world: World) -> Inbox:
    from daemon.inbox import Inbox

    def enqueue(character_id: int) -> None:
        with world.database.write() as session:
            queue.enqueue(session, character_id, JobKind.PROCESS, Origin.INBOX)

    return Inbox(world.database, world.layout, world.settings, enqueue=enqueue)


def _stop_lanes(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.stop()
    deadline = time.monotonic() + STOP_WAIT_S
    for lane in lanes:
        lane.join(max(0.0, deadline - time.monotonic()))
        if lane.is_alive():
            logger.error("%s did not stop in time; its processes end with the daemon", lane.name)


def _record(world: World, health: dict[str, bool], inbox: Any, api: ApiProcesses | None, ready: bool) -> None:
    facts = {"pid": os.getpid(), "ready": ready, "health": health, "inbox": json.loads(json.dumps(inbox, default=str))}
    with world.database.write() as session:
        session.merge(ServiceState(key="daemon", value=facts, updated_at=now()))
        if api is not None:
            value = {"host": api.host, "port": api.port, "url": api.url}
            session.merge(ServiceState(key="api", value=value, updated_at=now()))
