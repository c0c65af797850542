"""The whole daemon from outside: signals, kill -9, restarts and systemd. Only the job worker is a stand-in."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from daemon import characters, migrate, queue
from daemon.database import Database
from daemon.tables import Character, Origin, Voice
from pipeline.steps import JobKind
from tests.waiting import PATIENCE_S, until

HERE = Path(__file__).parent
SOUND = HERE.parent / "data" / "allison_en" / "demo-thanks.flac"


class Daemon:
    """One state directory, and the daemons that run on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work_dir = folder / "work dir"
        self.runs = folder / "runs"
        self.voice = "speak"
        """How the voice worker behaves, request by request."""
        self.log = folder / "daemon.log"
        self.variables: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.work_dir.mkdir()

    def launch(self, *behaviours: str, once: bool = False) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "SOVITS_PATHS__WORK_DIR": str(self.work_dir),
            "SOVITS_PATHS__INBOX_DIR": str(self.folder / "inbox"),
            "SOVITS_INBOX__SETTLE_SECONDS": "0.2",
            "SOVITS_SERVER__HOST": "127.0.0.1",
            "SOVITS_SERVER__PORT": "0",
            "SOVITS_TRAINING__CANCEL_GRACE_S": "1",
            **self.variables,
        }
        command = [sys.executable, str(HERE / "stand_in_daemon.py"), str(self.runs), ",".join(behaviours), self.voice]
        environment["PYTHONPATH"] = str(HERE.parents[1])
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command, *(["--once"] if once else [])],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self, *behaviours: str) -> None:
        self.process = self.launch(*behaviours or ("done",))
        until(lambda: self.beat().get("ready") and self.beat()["pid"] == self.pid, "the daemon to be ready")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def beat(self) -> dict[str, Any]:
        rows = self.rows("SELECT value FROM servicestate WHERE key = 'daemon'")
        found: dict[str, Any] = json.loads(rows[0]["value"]) if rows else {}
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def enqueue(self, name: str = "角色", kind: JobKind = JobKind.PROCESS) -> int:
        database = Database(self.work_dir / "sovits.db")
        migrate.upgrade(database)
        with database.write() as session:
            character = Character(name=name, config={})
            session.add(character)
            session.flush()
            assert character.id is not None
            job = queue.enqueue(session, character.id, kind, Origin.API)
            assert job.id is not None
        database.close()
        return job.id

    def give_a_voice(self, name: str = "角色") -> Path:
        """Let a character speak; return a sound that it can take its voice from."""
        reference = self.work_dir / "characters" / name / "reference.flac"
        reference.parent.mkdir(parents=True)
        shutil.copyfile(SOUND, reference)
        database = Database(self.work_dir / "sovits.db")
        with database.write() as session:
            character = characters.get(session, name)
            assert character.id is not None
            facts = {"family": "nano", "sovits_path": "a.pth", "gpt_path": "a.ckpt", "input_hash": "a"}
            session.add(Voice(character_id=character.id, trained_from="random weights", metrics={}, **facts))
        database.close()
        return reference

    @property
    def url(self) -> str:
        """The base of the routes."""
        address = json.loads(self.rows("SELECT value FROM servicestate WHERE key = 'api'")[0]["value"])
        return f"{address['url']}/api/v1"

    def rows(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        path = self.work_dir / "sovits.db"
        if not path.exists():
            return []
        connection = sqlite3.connect(path, timeout=10)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(statement, parameters)]
        except sqlite3.OperationalError:
            return []  # the tables are being made
        finally:
            connection.close()

    def status(self, job: int) -> str:
        return str(self.rows("SELECT status FROM job WHERE id = ?", job)[0]["status"])

    def starts(self) -> int:
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0

    def family(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SOVITS_PATHS__WORK_DIR") == str(self.work_dir):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


def heard_after_pings(systemd: socket.socket) -> str:
    heard = systemd.recv(1000)
    while heard == b"WATCHDOG=1":
        heard = systemd.recv(1000)
    return heard.decode()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
    sys.stdout.write(made.log.read_text(errors="replace") if made.log.exists() else "")  # shown when the test fails
    left = made.family()
    for process in left:
        process.kill()
    assert not left


def test_systemd_hears_of_readiness_health_and_the_end_and_nothing_is_left(daemon: Daemon) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(daemon.folder / "notify"))
        systemd.settimeout(PATIENCE_S)
        daemon.variables |= {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1500000"}
        daemon.start()
        # then it is ready when its API answers, at the address that it tells
        ready = heard_after_pings(systemd)
        address = json.loads(daemon.rows("SELECT value FROM servicestate WHERE key = 'api'")[0]["value"])
        assert ready.startswith("READY=1\nSTATUS=ready") and address["url"] in ready
        connection = http.client.HTTPConnection(address["host"], address["port"], timeout=PATIENCE_S)
        connection.request("GET", "/api/v1/characters")
        assert connection.getresponse().status == 200
        connection.close()
        assert systemd.recv(1000) == b"WATCHDOG=1"  # the watchdog is fed
        # when it is asked to stop
        assert daemon.stop() == 0
        assert heard_after_pings(systemd).startswith("STOPPING=1")
    assert daemon.family() == []


def test_sigterm_puts_the_running_job_back_uncounted_and_the_next_start_completes_it(daemon: Daemon) -> None:
    job = daemon.enqueue()
    daemon.start("patient", "done")
    until(lambda: daemon.starts() == 1, "the worker to start")
    assert daemon.stop() == 0
    assert daemon.family() == []
    assert daemon.rows("SELECT status, attempt, pid FROM job") == [{"status": "pending", "attempt": 0, "pid": None}]
    daemon.start("patient", "done")
    until(lambda: daemon.status(job) == "completed", "the job to be completed")
    assert daemon.starts() == 2


def test_sigterm_ends_streams_and_sockets_with_a_job_running_and_all_of_it_goes_on_after_the_next_start(
    daemon: Daemon,
) -> None:
    # given a running job, a sentence that is being spoken, and clients that follow events and hear the sentence
    job = daemon.enqueue()
    reference = daemon.give_a_voice()
    daemon.voice = "begin,speak"
    daemon.start("patient", "done")
    until(lambda: daemon.starts() == 1, "the worker to start")
    wanted = {"character_name": "角色", "target_text": "你好", "ref_audio": str(reference), "ref_text": "喂"}
    asked = requests.post(f"{daemon.url}/inference", json=wanted, timeout=30).json()
    sound = requests.get(f"{daemon.url}/inference/{asked['inference_id']}/stream", stream=True, timeout=60)
    heard = sound.iter_content(1000)
    assert next(heard).startswith(b"RIFF")
    told = requests.get(f"{daemon.url}/events/stream?after=0", stream=True, timeout=60)
    lines = told.iter_lines()
    assert next(lines).startswith(b"retry")
    with connect(f"{daemon.url.replace('http', 'ws')}/events/ws?after=0") as socket:
        latest = json.loads(socket.recv(timeout=30))["event_id"]
        # when it is asked to stop, then it ends well within the unit's time limit, and so do they
        assert daemon.stop() == 0
        with pytest.raises(ConnectionClosed):
            while True:
                latest = json.loads(socket.recv(timeout=30))["event_id"]
    assert list(lines)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):  # a sound that is not whole does not look whole
        list(heard)
    assert daemon.family() == []
    assert daemon.rows("SELECT status, attempt FROM job") == [{"status": "pending", "attempt": 0}]
    # and after the next start job and sentence are done, once each, and a follower misses nothing
    daemon.start("patient", "done")
    until(lambda: daemon.status(job) == "completed", "the job to be completed")
    spoken = "SELECT status FROM inference"
    until(lambda: daemon.rows(spoken) == [{"status": "completed"}], "the sentence to be spoken")
    page = requests.get(f"{daemon.url}/events?after={latest}&limit=500", timeout=30).json()
    expected = [row["id"] for row in daemon.rows("SELECT id FROM event WHERE id > ? ORDER BY id", latest)]
    assert [event["event_id"] for event in page["events"]] == expected[: len(page["events"])] != []


def test_after_kill_9_nothing_lives_on_and_the_next_start_continues(daemon: Daemon) -> None:
    job = daemon.enqueue()
    daemon.start("hang", "done")
    until(lambda: daemon.starts() == 1, "the worker to start")
    child = psutil.Process(int(daemon.runs.read_text().split()[1]))
    # when the daemon is killed, then API and worker go with it; only what the worker itself started may stay
    daemon.stop(signal.SIGKILL)
    until(lambda: {process.pid for process in daemon.family()} <= {child.pid}, "the children to end")
    assert daemon.status(job) == "running"
    # when it is started again, then that is ended too, and the job is completed, once
    daemon.start("hang", "done")
    assert not child.is_running()
    until(lambda: daemon.status(job) == "completed", "the job to be completed")
    assert daemon.starts() == 2
    assert len(daemon.rows("SELECT id FROM event WHERE kind = 'job.finished'")) == 1


def test_a_daemon_killed_again_and_again_in_one_place_gives_the_job_up(daemon: Daemon) -> None:
    daemon.variables["SOVITS_TRAINING__MAX_ATTEMPTS"] = "2"
    job = daemon.enqueue()
    for start in (1, 2):
        daemon.start("silent")
        until(lambda start=start: daemon.starts() == start, "the worker to start")  # type: ignore[misc]
        daemon.stop(signal.SIGKILL)
    daemon.start("silent")
    assert daemon.status(job) == "failed"
    assert "2 attempts" in daemon.rows("SELECT error FROM job")[0]["error"]


def test_a_killed_worker_is_started_again(daemon: Daemon) -> None:
    job = daemon.enqueue()
    daemon.start("silent", "done")
    until(lambda: daemon.starts() == 1, "the worker to start")
    os.kill(int(daemon.runs.read_text()), signal.SIGKILL)
    until(lambda: daemon.status(job) == "completed", "the job to be completed")


def test_a_cancel_written_by_another_process_is_obeyed(daemon: Daemon) -> None:
    job = daemon.enqueue()
    daemon.start("hang", "done")
    until(lambda: daemon.starts() == 1, "the worker to start")
    database = Database(daemon.work_dir / "sovits.db")
    with database.write() as session:
        queue.request_cancel(session, queue.find(session, "角色"))
    database.close()
    until(lambda: daemon.status(job) == "cancelled", "the job to be cancelled")
    # and the next job runs
    second = daemon.enqueue("bob")
    until(lambda: daemon.status(second) == "completed", "the next job to be completed")


def test_a_second_daemon_is_refused_and_the_first_goes_on(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.launch().wait(PATIENCE_S) == 1
    assert f"another sovits-daemon (process {daemon.pid})" in daemon.log.read_text()
    assert daemon.process is not None and daemon.process.poll() is None


def test_a_hangup_does_not_end_it(daemon: Daemon) -> None:
    daemon.start()
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert daemon.process.poll() is None


def test_a_dead_api_process_is_replaced_on_the_same_port(daemon: Daemon) -> None:
    daemon.start()
    address = json.loads(daemon.rows("SELECT value FROM servicestate WHERE key = 'api'")[0]["value"])
    servers = [process for process in daemon.family() if "daemon.api_server" in process.cmdline()]
    assert servers
    for process in servers:
        process.kill()
    # a client that calls meanwhile waits; it is not refused
    connection = http.client.HTTPConnection(address["host"], address["port"], timeout=PATIENCE_S)
    connection.request("GET", "/api/v1/characters")
    assert connection.getresponse().status == 200
    connection.close()


def test_once_without_anything_to_do_ends_with_code_3(daemon: Daemon) -> None:
    assert daemon.launch("done", once=True).wait(PATIENCE_S) == 3
    assert daemon.family() == []


def test_once_works_off_what_is_queued(daemon: Daemon) -> None:
    job = daemon.enqueue()
    assert daemon.launch("done", once=True).wait(PATIENCE_S) == 0
    assert daemon.status(job) == "completed"


def test_once_tells_that_a_job_failed(daemon: Daemon) -> None:
    job = daemon.enqueue()
    assert daemon.launch("permanent", once=True).wait(PATIENCE_S) == 1
    assert daemon.status(job) == "failed"
