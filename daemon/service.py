"""The daemon itself: takes the lock, starts the API and all parts, watches over them, and stops them in order.

This module loads nothing large by itself (see `daemon.parts`): the API process starts first and meanwhile the rest is
loaded.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon import lock, processes
from daemon.api_process import ApiProcesses, answers, listen
from daemon.backup import restoring
from daemon.errors import ServiceError
from daemon.lane import stop_lanes
from daemon.layout import Layout
from daemon.notify import Notifier
from daemon.settings import Settings

if TYPE_CHECKING:
    from daemon.parts import Parts

logger = logging.getLogger(__name__)

HEARTBEAT_S = 5.0
STARTUP_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Commands:
    """How the workers are started; None: this project's own."""

    job_worker: Sequence[str] | None = None
    voice_worker: Sequence[str] | None = None


class Service:
    """A daemon. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, commands: Commands = Commands()) -> None:  # noqa: B008 - it is frozen
        self._settings = settings
        self._layout = Layout.of(settings)
        self._commands = commands
        self._notifier = Notifier()
        self._stop = threading.Event()
        self._ready = False

    def stop(self) -> None:
        """Ask the service to stop; safe in a signal handler and from any thread."""
        self._stop.set()

    def run(self) -> None:
        """Run until stopped.

        Raises:
            ServiceError: another daemon works here, the port is taken, or the database cannot be used.
        """
        with self._running(api=self._settings.server.enabled) as (parts, api):
            self._watch_over(parts, api)
            self._notifier.stopping()
            logger.info("stopping")

    def run_once(self) -> int:
        """Take what lies in the inbox, process and train all that is stale, and return an exit code.

        Returns:
            0 all is done, 1 something failed, 3 there was nothing to do.
        """
        from daemon.once import settle_everything
        from daemon.tables import now

        began = now()
        with self._running(api=False) as (parts, _):
            return settle_everything(parts.world, parts.inbox, parts.lanes, self._stop, began)

    @contextmanager
    def _running(self, *, api: bool) -> Iterator[tuple[Parts, ApiProcesses | None]]:
        with ExitStack() as stack:
            stack.enter_context(lock.exclusive(self._layout.lock))
            restoring.finish(self._layout)
            self._layout.create()
            processes.kill_orphans(self._layout.work_dir)
            server = None
            if api:
                # First, because it takes longest to come up; until the database is ready it answers 503.
                server = ApiProcesses(self._settings, self._layout.work_dir, listen(self._settings.server))
                stack.callback(stop_lanes, [server])
                server.start()
            from daemon import parts

            others = [server] if server is not None else []
            opened = parts.opened(self._settings, self._layout, self._commands, others)
            yield stack.enter_context(opened), server

    def _watch_over(self, parts: Parts, api: ApiProcesses | None) -> None:
        """Heartbeat, readiness and watchdog, in the main thread: it is the one that cannot die unseen."""
        watchdog = self._notifier.watchdog_seconds
        pause = min(HEARTBEAT_S, watchdog / 3) if watchdog else HEARTBEAT_S
        beaten = 0.0
        while not self._stop.is_set():
            became_ready = not self._ready and self._become_ready(parts, api)
            if became_ready or time.monotonic() - beaten >= pause:
                beaten = time.monotonic()
                self._beat(parts, api)
            self._stop.wait(pause if self._ready else STARTUP_POLL_S)

    def _become_ready(self, parts: Parts, api: ApiProcesses | None) -> bool:
        """Say that the service is ready; returns False while it is not, or systemd could not be told of it."""
        if api is not None and not answers(api.host, api.port):
            return False
        where = api.url if api else "without an API"
        if not self._notifier.ready(f"ready: {where}"):
            return False
        self._ready = True
        if api is not None and (exposed := parts.exposure()):
            logger.warning("ANYBODY MAY USE THIS SERVICE: %s", exposed)
        logger.info("ready: %s, inbox %s", where, self._layout.inbox_dir)
        return True

    def _beat(self, parts: Parts, api: ApiProcesses | None) -> None:
        """Write down how all parts are, and feed the watchdog when all are well."""
        health = parts.health
        with suppress(ServiceError):  # a full or busy database: the next beat tells
            parts.record(health, self._ready, api.address if api else None)
        ill = ", ".join(name for name, well in health.items() if not well)
        if not ill:
            if self._ready:  # before that systemd does not ask, and pings that it has not read would keep READY out
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
