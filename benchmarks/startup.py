"""How long the daemon takes from the command to its first answer, and what it costs when idle."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import psutil
from _report import Row, at_most, publish

from daemon.demo.service import running

ROUNDS = 3
IDLE_S = 10.0


def main() -> None:
    """Measure and print."""
    starts = []
    with tempfile.TemporaryDirectory() as scratch:
        for round_number in range(ROUNDS):
            began = time.monotonic()
            with running(Path(scratch) / str(round_number)) as service:
                starts.append(time.monotonic() - began)
                if round_number < ROUNDS - 1:
                    continue
                process = psutil.Process(service.process.pid)
                time.sleep(2)
                before = process.cpu_times()
                time.sleep(IDLE_S)
                after = process.cpu_times()
                resident = process.memory_info().rss
    cpu = (after.user + after.system - before.user - before.system) / IDLE_S
    rows = [
        at_most("command to first answer (median)", sorted(starts)[ROUNDS // 2], "s", 3.0),
        at_most("resident memory of the daemon", resident / 1e6, "MB", 150),
        Row("CPU of the idle daemon", cpu * 100, "% of a core", "near 0"),
    ]
    publish("startup", "Start and idle cost", rows)


if __name__ == "__main__":
    main()
