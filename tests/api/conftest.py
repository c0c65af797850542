"""A client of the application in this process, and a real server in another."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
BODY_SECONDS = 2.0
"""What a body may keep this server waiting; long enough for a busy machine, short enough for tests."""


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
    """Run the API in a process of its own, as the daemon does."""
    environment = {
        **os.environ,
        **as_environment(installation.world.settings),
        "SOVITS_SERVER__MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
        "SOVITS_SERVER__BODY_SECONDS": str(BODY_SECONDS),
        "PYTHONPATH": str(CHECKOUT),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", "daemon.api_server", str(descriptor)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, pass_fds=(descriptor,))
    try:
        requests.get(
            f"http://127.0.0.1:{port}/", timeout=PATIENCE_S
        )  # waits: the socket listens before the server is up
        yield Server(installation, port, process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
