"""500 status requests a second while a job runs: what the 99th percentile is.

The API runs as the service runs it, in a process of its own over a real database. Beside it a process keeps one core
busy at the worker's priority, and the job's progress is written twice a second, as the supervisor does.
Requests leave by the clock whatever the answers do, so a slow answer is not hidden by fewer requests.

Usage: python benchmarks/api_status.py [--rate 500] [--seconds 10] [--workers 1]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from _report import Row, at_most, publish

from daemon import characters, migrate, queue, recordings
from daemon.character_config import parse
from daemon.database import Database
from daemon.layout import Layout
from daemon.recordings import RecordingFacts
from daemon.settings import Settings, as_environment, load_settings
from daemon.tables import Job, Origin
from pipeline.steps import JobKind, StepName

CHECKOUT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
AIM_P99_MS = 25.0
NAME = "小明"
RECORDINGS = 100


def main() -> None:
    """Measure and print."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings, database = _state(folder)
        stack.callback(database.close)
        port = stack.enter_context(_api(settings, options.workers))
        stack.enter_context(_busy_core())
        stack.enter_context(_progress(database))
        target = f"/api/v1/characters/{quote(NAME)}/audio/status"
        asyncio.run(_load(port, target, options.rate, 2.0))
        latencies_ms = asyncio.run(_load(port, target, options.rate, options.seconds))
    _report(latencies_ms, options)


def _state(folder: Path) -> tuple[Settings, Database]:
    paths = {("paths", "work_dir"): folder / "work", ("paths", "inbox_dir"): folder / "inbox"}
    settings = load_settings(environment={}, overrides=paths).settings
    layout = Layout.of(settings)
    layout.create()
    database = Database(layout.database)
    migrate.upgrade(database)
    character = characters.create(database, layout, NAME, parse({}, settings))
    with database.write() as session:
        for number in range(RECORDINGS):
            facts = RecordingFacts(filename=f"{number}.wav", sha256=f"{number:064x}", size_bytes=1, mtime_ns=1)
            recordings.add(session, character, facts)
        assert character.id is not None
        queue.enqueue(session, character.id, JobKind.PROCESS, Origin.API)
    queue.claim(database)
    return settings, database


@contextmanager
def _api(settings: Settings, workers: int) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    environment = {**os.environ, **as_environment(settings), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "daemon.api_server", str(listener.fileno())]
    started = [
        subprocess.Popen(command, env=environment, pass_fds=(listener.fileno(),), stderr=subprocess.DEVNULL)
        for _ in range(workers)
    ]
    try:
        yield listener.getsockname()[1]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
        listener.close()


@contextmanager
def _busy_core() -> Iterator[None]:
    """Keep one core busy as a worker does, at a worker's niceness."""
    program = "import os; os.nice(10)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _progress(database: Database) -> Iterator[None]:
    stop = threading.Event()

    def write() -> None:
        done = 0.0
        while not stop.wait(0.5):
            done = min(99.0, done + 1)
            with database.write() as session:
                job = session.get_one(Job, 1)
                job.progress, job.step = done, StepName.CONVERT_AUDIO
                session.add(job)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _load(port: int, target: str, rate: float, seconds: float) -> list[float]:
    """Send requests by the clock over a few connections; return milliseconds from due time to answer."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    latencies_ms: list[float] = []
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("ascii")

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (moment := await due.get()) is not None:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            latencies_ms.append((time.perf_counter() - moment) * 1000)
        writer.close()

    tasks = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for number in range(int(rate * seconds)):
        moment = begin + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        due.put_nowait(moment)
    for _ in tasks:
        due.put_nowait(None)
    await asyncio.gather(*tasks)
    return latencies_ms


def _report(latencies_ms: list[float], options: argparse.Namespace) -> None:
    points = statistics.quantiles(latencies_ms, n=1000)
    rows = [
        Row("requests", len(latencies_ms), "", f"{options.rate:g} a second, {options.workers} API process(es)"),
        Row("half of the answers within", points[499], "ms"),
        Row("90 % of the answers within", points[899], "ms"),
        at_most("99 % of the answers within", points[989], "ms", AIM_P99_MS),
        Row("slowest answer", max(latencies_ms), "ms"),
    ]
    publish("api_status", "Status requests while a job runs", rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=500.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--workers", type=int, default=1, help="API processes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
