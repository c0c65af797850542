"""Start the service on a fresh state directory, and be sure that nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from daemon.errors import ServiceError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and how to talk to it."""

    base_url: str
    state: Path
    work_dir: Path
    inbox_dir: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        """GET a JSON document below /api/v1."""
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST a JSON body below /api/v1."""
        return self._call("POST", path, body or {})

    def download(self, path: str, target: Path) -> None:
        """Fetch a file below /api/v1."""
        with urllib.request.urlopen(f"{self.base_url}/api/v1{path}", timeout=60) as answer:
            target.write_bytes(answer.read())

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            f"{self.base_url}/api/v1{urllib.parse.quote(path, safe='/%')}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            detail = json.loads(error.read() or b"{}").get("detail", error.reason)
            raise ServiceError(f"{method} {path} was answered with {error.code}: {detail}") from error


@contextmanager
def running(state: Path) -> Iterator[Service]:
    """Yield a service on a fresh state directory; afterwards no process of it is left.

    Raises:
        ServiceError: it did not start; says where its log is.
    """
    inbox_dir, work_dir, log = state / "inbox", state / "work_dir", state / "service.log"
    for folder in (inbox_dir, work_dir):
        folder.mkdir(parents=True)
    port = _free_port()
    environment = os.environ | {
        "SOVITS_PATHS__WORK_DIR": str(work_dir),
        "SOVITS_PATHS__INBOX_DIR": str(inbox_dir),
        "SOVITS_INBOX__SETTLE_SECONDS": "1",
        "SOVITS_INBOX__QUIET_SECONDS": "2",
    }
    command = [sys.executable, "-m", "daemon.cli", "run", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment)
    service = Service(f"http://127.0.0.1:{port}", state, work_dir, inbox_dir, process)
    try:
        _wait_until_ready(service, log)
        yield service
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(service: Service, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if service.process.poll() is not None:
            break
        try:
            service.get("/characters")
            return
        except (OSError, ServiceError):
            time.sleep(0.2)
    raise ServiceError(f"the service did not start; its log is {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
