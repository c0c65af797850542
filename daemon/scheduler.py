"""The clock of the daemon: APScheduler calls short functions; all of them only look at the database or the disk."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

logger = logging.getLogger(__name__)

TICK_S = 0.5
STALE_TICK_S = 60.0
IDLE_POKE_S = 5.0
DAY_S = 86_400


class ChangeDetector:
    """Tells in microseconds whether anybody else has written to the database since the last call."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._seen: int | None = None

    def changed(self) -> bool:
        """Whether another connection has committed since the last call (SQLite, PRAGMA data_version)."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        before, self._seen = self._seen, version
        return bool(version != before)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Clock:
    """Runs the daemon's ticks; a tick that is late or fails is simply made up for by the next one."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._beat = time.monotonic()

    def every(self, seconds: float, work: Callable[[], object], name: str) -> None:
        """Call `work` every so many seconds; its errors are logged and nothing else happens."""

        def guarded() -> None:
            try:
                work()
            except Exception:  # the boundary of the tick
                logger.exception("%s failed and is tried again at its next time", name)

        self._scheduler.add_job(guarded, "interval", seconds=seconds, id=name, name=name)

    def start(self) -> None:
        """Begin."""
        self.every(TICK_S, self._note_beat, "beat")
        self._scheduler.start()

    def stop(self) -> None:
        """End; a tick in progress is not waited for."""
        self._scheduler.shutdown(wait=False)

    @property
    def healthy(self) -> bool:
        """Whether ticks still come."""
        return bool(self._scheduler.running) and time.monotonic() - self._beat < STALE_TICK_S

    def _note_beat(self) -> None:
        self._beat = time.monotonic()
