"""A client of the application in this process, and a real server in another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from litestar.testing import TestClient

from api.app import create_app
from daemon.settings import CHECKOUT, as_environment
from tests.daemon.installation import Installation, opened
from tests.waiting import PATIENCE_S, until

MAX_UPLOAD_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """A running API process."""

    installation: Installation
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def scratch(self) -> list[Path]:
        return list(self.installation.layout.scratch.iterdir())

    def until_scratch_is_empty(self) -> None:
        until(lambda: not self.scratch(), "the scratch folder to be empty")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A fresh installation, migrated and empty."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def client(installation: Installation) -> Iterator[TestClient]:
    """A client of the application in this process."""
    with TestClient(
        create_app(installation.world.settings),
        base_url="http://testserver.local/api/v1/",
        raise_server_exceptions=False,
    ) as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server over a fresh installation with one character, 小明."""
    with opened(tmp_path_factory.mktemp("server")) as installation:
        installation.character("小明")
        with serving(installation) as made:
            yield made


@contextmanager
def serving(installation: Installation) -> Iterator[Server]:
    """Run the API in a process of its own, by uvicorn's own command."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        **as_environment(installation.world.settings),
        "SOVITS_SERVER__MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
        "PYTHONPATH": str(CHECKOUT),
    }
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    try:
        _wait(port, process)
        yield Server(installation, port, process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        with suppress(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S)
            return True
        return False

    until(answers, "the server to answer")
