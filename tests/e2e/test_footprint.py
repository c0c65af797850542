"""The idle daemon is small and does nothing."""

from __future__ import annotations

import time
from typing import Any

import psutil

MOST_RESIDENT_BYTES = 150_000_000
MOST_IDLE_CPU = 0.10


def test_the_idle_daemon_is_small_and_quiet(service: Any) -> None:
    service.start()
    daemon = psutil.Process(service.process.pid)
    time.sleep(3)
    assert daemon.memory_info().rss < MOST_RESIDENT_BYTES
    before = daemon.cpu_times()
    time.sleep(5)
    after = daemon.cpu_times()
    assert (after.user + after.system - before.user - before.system) / 5 < MOST_IDLE_CPU


def test_sigterm_ends_everything(service: Any) -> None:
    service.start()
    assert service.stop() in (0, -15)
    assert service.processes() == []
