"""A real service on a fresh state directory, driven from outside: folders, REST and signals only."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ROOT / "tests" / "data" / "allison_en"
MORE_CLIPS = Path(os.environ.get("VOICES_DIR", ROOT.parent / "shared" / "voices")) / "allison_en"
FINAL = {"completed", "failed", "cancelled", "outdated"}
SMALL = "language: en\nepochs_s2: 1\nepochs_s1: 1\n"


@dataclass
class LiveService:
    """One state directory and the daemon that may be running on it."""

    state: Path
    variables: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.inbox.mkdir(parents=True)
        self.work_dir.mkdir(parents=True)

    @property
    def inbox(self) -> Path:
        return self.state / "inbox"

    @property
    def work_dir(self) -> Path:
        return self.state / "work_dir"

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = os.environ | {
            "SOVITS_PATHS__WORK_DIR": str(self.work_dir),
            "SOVITS_PATHS__INBOX_DIR": str(self.inbox),
            "SOVITS_INBOX__SETTLE_SECONDS": "0.5",
            "SOVITS_INBOX__QUIET_SECONDS": "1",
            "SOVITS_TRAINING__CANCEL_GRACE_S": "5",
            **self.variables,
        }
        command = [sys.executable, "-m", "daemon.cli", "run", "--host", "127.0.0.1", "--port", str(self.port)]
        log = (self.state / "service.log").open("ab")
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.until(self._answers, "the service to answer")

    def kill(self) -> None:
        """kill -9 of the daemon alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, as systemd does it."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1{quote(path)}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def drop(self, character: str, *recordings: str | Path, config: str | None = SMALL) -> None:
        """Copy recordings into the inbox: a path, or the name of one that the repository carries."""
        folder = self.inbox / character
        folder.mkdir(exist_ok=True)
        if config is not None:
            (folder / "character.yaml").write_text(config, encoding="utf-8")
        for recording in recordings:
            path = CLIPS / f"{recording}.flac" if isinstance(recording, str) else recording
            shutil.copy(path, folder / path.name)

    def wait(self, character: str, kind: str, *, after: int = 0, timeout_s: float = 240) -> dict[str, Any]:
        """Wait until a job of this kind with an id above `after` has ended, and return its status over REST."""
        job_kind = "process" if kind == "audio" else "train"

        def ended() -> bool:
            jobs = self.jobs(character, job_kind)
            return bool(jobs) and jobs[-1]["id"] > after and jobs[-1]["status"] in FINAL

        self.until(ended, f"{kind} of {character}", timeout_s)
        return self.call("GET", f"/characters/{character}/{kind}/status")[1]

    def last_job(self, character: str, kind: str) -> int:
        jobs = self.jobs(character, "process" if kind == "audio" else "train")
        return jobs[-1]["id"] if jobs else 0

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.1)
        tail = (self.state / "service.log").read_text(errors="replace")[-3000:]
        pytest.fail(f"waited {timeout_s} s in vain for {what}; end of the log:\n{tail}")

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        path = self.work_dir / "sovits.db"
        if not path.exists():
            return []
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(statement, parameters)]
        finally:
            connection.close()

    def jobs(self, character: str, kind: str) -> list[dict[str, Any]]:
        statement = (
            "SELECT job.* FROM job JOIN character ON character.id = job.character_id "
            "WHERE character.name = ? AND job.kind = ? ORDER BY job.id"
        )
        return self.rows(statement, character, kind)

    def redone(self, job: int) -> dict[str, int]:
        """Return how many items each step of a job made anew."""
        reports = self.rows("SELECT data FROM event WHERE kind = 'step.finished' AND job_id = ? ORDER BY id", job)
        loaded = [json.loads(report["data"]) for report in reports]
        return {report["step"]: report["redone"] for report in loaded}

    def processes(self) -> list[psutil.Process]:
        """Every living process whose environment names this state directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SOVITS_PATHS__WORK_DIR") == str(self.work_dir):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail("the service ended: " + (self.state / "service.log").read_text(errors="replace")[-3000:])
        try:
            return self.call("GET", "/characters")[0] == 200
        except (OSError, ValueError):
            return False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LiveService]:
    """A service that is not started yet; whatever the test did, nothing of it lives on."""
    live = LiveService(tmp_path / "state")
    yield live
    if live.process is not None and live.process.poll() is None:
        live.stop()
    leftover = live.processes()
    for process in leftover:
        process.kill()
    assert not leftover, f"orphans: {[p.cmdline() for p in leftover]}"


@pytest.fixture(scope="session")
def clip_names() -> list[str]:
    """The recordings that the repository carries, without their extension."""
    with (CLIPS / "transcripts.tsv").open(encoding="utf-8") as stream:
        return [row["file"].removesuffix(".flac") for row in csv.DictReader(stream, delimiter="\t")]


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """Real recordings of one person: 110 where the collection of voices is at hand, else the repository's 12."""
    return sorted((MORE_CLIPS if MORE_CLIPS.is_dir() else CLIPS).glob("*.flac"))
