"""A minute of everything at once: two API processes, the daemon, a running job, and many clients.

Clients upload, edit, poll, follow events and have sentences spoken. No answer may be a 5xx, no event may be missing or
doubled for anybody who follows, and the database may never be locked. At the end the service is asked to stop while
streams are open and a job runs, and is started again.

Usage: python benchmarks/load.py [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from _report import Row, at_most, publish

CHECKOUT = Path(__file__).resolve().parent.parent
CLIPS = sorted((CHECKOUT / "daemon" / "demo" / "allison_en").glob("*.flac"))
NAME = "小明"
POLLERS, FOLLOWERS = 4, 4
STOP_LIMIT_S = 60.0
"""TimeoutStopSec of the unit."""
TIMEOUT_S = 30.0


@dataclass
class Tally:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    first_sound_s: list[float] = field(default_factory=list)
    complaints: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, seconds: float) -> None:
        """Count one answer."""
        with self.lock:
            self.statuses[status] += 1
            self.latencies_ms.append(seconds * 1000)


@dataclass
class Service:
    """The service on a folder of its own."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base of the routes."""
        return f"http://127.0.0.1:{self.port}/api/v1"

    @property
    def log(self) -> Path:
        """Everything that the service says."""
        return self.folder / "service.log"

    def environment(self) -> dict[str, str]:
        """The settings."""
        return {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "SOVITS_PATHS__WORK_DIR": str(self.folder / "work"),
            "SOVITS_PATHS__INBOX_DIR": str(self.folder / "inbox"),
            "SOVITS_SERVER__WORKERS": "2",
            "SOVITS_TRAINING__LANGUAGE": "en",
        }

    def start(self) -> float:
        """Start it and return the seconds to the first answer."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        began = time.monotonic()
        command = [sys.executable, "-m", "daemon.cli", "run", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment(), cwd=CHECKOUT, stdout=log, stderr=log)
        while time.monotonic() - began < TIMEOUT_S:
            try:
                if requests.get(f"{self.url}/characters", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except requests.RequestException:
                time.sleep(0.05)
        raise RuntimeError(self.log.read_text(errors="replace")[-2000:])

    def stop(self) -> float:
        """Ask it to stop and return the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(2 * STOP_LIMIT_S)
        return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, _running(Service(Path(folder))) as service:
        _prepare(service)
        tally, follower_ids = Tally(), [list[int]() for _ in range(FOLLOWERS)]
        latest = requests.get(f"{service.url}/events", timeout=TIMEOUT_S).json()["latest"]
        stop = threading.Event()
        threads = [threading.Thread(target=each) for each in _clients(service, tally, follower_ids, latest, stop)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        time.sleep(3)  # what was committed last reaches the followers
        expected = _event_ids(service, latest)
        jobs_before = _job_ids(service)
        stop_s = service.stop()
        for thread in threads:
            thread.join(TIMEOUT_S)
        restart_s = service.start()
        jobs_after = _job_ids(service)
        log = service.log.read_text(errors="replace")
        _report(tally, expected, follower_ids, log, (stop_s, restart_s, len(jobs_before ^ jobs_after)))


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()


def _prepare(service: Service) -> None:
    """Make a character with real recordings that are processed, and a voice of random weights."""
    body = {"character_name": NAME, "config": {"language": "en", "epochs_s2": 50, "epochs_s1": 5}}
    requests.post(f"{service.url}/characters", json=body, timeout=TIMEOUT_S).raise_for_status()
    for clip in CLIPS:
        _upload(service, clip.name, clip.read_bytes()).raise_for_status()
    program = (
        "import sys; from pathlib import Path\n"
        "from GPT_SoVITS.checkpoints import write_gpt_weights, write_sovits_weights\n"
        "from GPT_SoVITS.families import family; from GPT_SoVITS.training.start import start_gpt, start_sovits\n"
        "nano, folder = family('nano'), Path(sys.argv[1])\n"
        "write_sovits_weights(folder / 'a.pth', start_sovits(nano, 1).state_dict(), nano, '1epoch_1iteration')\n"
        "write_gpt_weights(folder / 'a.ckpt', start_gpt(nano, 1).state_dict(), nano, 'GPT-e1')\n"
    )
    weights = service.folder / "weights"
    weights.mkdir()
    subprocess.run([sys.executable, "-c", program, str(weights)], env=service.environment(), cwd=CHECKOUT, check=True)
    command = [sys.executable, "-m", "daemon.cli", "import-voice", "--character", NAME]
    given = ["--sovits", str(weights / "a.pth"), "--gpt", str(weights / "a.ckpt")]
    subprocess.run([*command, *given], env=service.environment(), cwd=CHECKOUT, check=True, capture_output=True)
    place = f"{service.url}/characters/{quote(NAME)}/audio"
    requests.post(f"{place}/process", timeout=TIMEOUT_S).raise_for_status()
    while requests.get(f"{place}/status", timeout=TIMEOUT_S).json()["status"] in ("pending", "running"):
        time.sleep(0.5)


def _clients(
    service: Service, tally: Tally, follower_ids: list[list[int]], latest: int, stop: threading.Event
) -> list[Callable[[], None]]:
    place = f"{service.url}/characters/{quote(NAME)}"

    def poll() -> None:
        while not stop.is_set():
            for path in (f"{place}/audio/status", f"{place}/training/status", f"{service.url}/jobs", f"{place}/clips"):
                _timed(tally, partial(requests.get, path, timeout=TIMEOUT_S))

    def upload() -> None:
        number = 0
        while not stop.wait(1.0):
            number += 1
            _timed(tally, partial(_upload, service, f"录音 {number}.wav", _tone(number)))
            _timed(tally, partial(requests.post, f"{place}/audio/process", timeout=TIMEOUT_S))

    def edit() -> None:
        number = 0
        while not stop.wait(0.2):
            number += 1
            body = {"character_name": f"编辑{number}"}
            path = f"{service.url}/characters/{quote(body['character_name'])}"
            _timed(tally, partial(requests.post, f"{service.url}/characters", json=body, timeout=TIMEOUT_S))
            _timed(tally, partial(requests.delete, path, timeout=TIMEOUT_S))

    def speak() -> None:
        body = {"model": "tts-1", "voice": NAME, "input": "Hello there. How are you?", "response_format": "wav"}
        while not stop.is_set():
            began = time.monotonic()
            answer = requests.post(
                service.url.replace("/api/v1", "/v1/audio/speech"), json=body, stream=True, timeout=120
            )
            blocks = answer.iter_content(65536)
            first = next(blocks, b"")
            tally.first_sound_s.append(time.monotonic() - began)
            tally.note(answer.status_code, 0.0)
            if answer.status_code >= 500:
                tally.complaints.add(first.decode(errors="replace")[:300])
            for _ in blocks:
                if stop.is_set():
                    break
            answer.close()

    def follow(ids: list[int]) -> Callable[[], None]:
        def run() -> None:
            try:
                with requests.get(f"{service.url}/events/stream?after={latest}", stream=True, timeout=60) as answer:
                    for line in answer.iter_lines():
                        if line.startswith(b"id:"):
                            ids.append(int(line[3:]))
            except requests.RequestException:
                return

        return run

    return [upload, edit, speak, *[poll] * POLLERS, *[follow(ids) for ids in follower_ids]]


def _timed(tally: Tally, ask: Callable[[], requests.Response]) -> None:
    began = time.monotonic()
    try:
        answer = ask()
    except requests.RequestException:
        tally.note(599, 0.0)
        return
    tally.note(answer.status_code, time.monotonic() - began)


def _upload(service: Service, name: str, content: bytes) -> requests.Response:
    path = f"{service.url}/characters/{quote(NAME)}/audio/upload"
    return requests.post(path, files={"file": (name, content)}, timeout=TIMEOUT_S)


def _tone(number: int) -> bytes:
    output = BytesIO()
    with wave.open(output, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        samples = (int(9000 * math.sin(n * (0.05 + number * 1e-4))) for n in range(16_000))
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return output.getvalue()


def _job_ids(service: Service) -> set[int]:
    page = requests.get(f"{service.url}/jobs?limit=500", timeout=TIMEOUT_S).json()
    return {job["job_id"] for job in page["jobs"]}


def _event_ids(service: Service, latest: int) -> list[int]:
    found: list[int] = []
    while True:
        query = {"after": found[-1] if found else latest, "limit": 500}
        page: dict[str, Any] = requests.get(f"{service.url}/events", params=query, timeout=TIMEOUT_S).json()
        if not page["events"]:
            return found
        found += [event["event_id"] for event in page["events"]]


def _report(
    tally: Tally, expected: list[int], followed: list[list[int]], log: str, ends: tuple[float, float, int]
) -> None:
    latencies = sorted(tally.latencies_ms)
    wrong = sum(count for status, count in tally.statuses.items() if status >= 500)
    lost = sum(len(set(expected) - set(ids)) for ids in followed)
    doubled = sum(len(ids) - len(set(ids)) for ids in followed)
    sound = sorted(tally.first_sound_s)
    rows = [
        Row("answers", len(latencies), "", json.dumps({str(k): v for k, v in sorted(tally.statuses.items())})),
        at_most("answers that are 5xx", wrong, "", 0),
        at_most("times the database was locked", log.count("database is locked") + log.count("is busy"), "", 0),
        Row("events", len(expected), "", f"{len(followed)} followers"),
        at_most("events lost to a follower", lost, "", 0),
        at_most("events told twice", doubled, "", 0),
        Row("half of the answers within", latencies[len(latencies) // 2], "ms"),
        Row("99 % of the answers within", latencies[int(len(latencies) * 0.99)], "ms"),
        Row("sentences begun", len(sound), ""),
        Row("first sound after (median)", sound[len(sound) // 2] if sound else math.nan, "s"),
        at_most("stop with streams open and a job running", ends[0], "s", STOP_LIMIT_S),
        Row("start again", ends[1], "s"),
        at_most("jobs lost or doubled by that", ends[2], "", 0),
    ]
    publish("load", "Everything at once", rows)
    for complaint in sorted(tally.complaints):
        print(complaint)


if __name__ == "__main__":
    main()
