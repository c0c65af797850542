"""The lane that keeps the API processes running on one socket, which the daemon itself holds open.

Because the daemon holds the socket, a taken port is told at once, port 0 works, and a client that calls while an API
process restarts waits a moment instead of being refused.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from daemon import processes
from daemon.errors import ConflictError, InvalidInputError
from daemon.lane import Lane
from daemon.layout import Layout
from daemon.processes import ProgramSpec
from daemon.settings import ServerSettings, Settings, as_environment

logger = logging.getLogger(__name__)

COUNTS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client lets several processes count together."""
BACKLOG = 1024
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0
"""After this long without a death the pause between restarts is short again."""
STOP_GRACE_S = 12.0
TURN_S = 0.5


def listen(server: ServerSettings) -> socket.socket:
    """Bind the API's address.

    Raises:
        ConflictError: the port is taken or may not be used.
        InvalidInputError: the address is not one of this machine.
    """
    where = f"{server.host}:{server.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidInputError(f"the API cannot listen on {where}: {error.strerror}; set server.host") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConflictError(
            f"the API cannot listen on {where}: {error.strerror}; stop what uses it or choose another --port"
        ) from error
    return listener


class ApiProcesses(Lane):
    """Starts `server.workers` processes and starts again those that end, ever slower when they keep ending."""

    def __init__(self, settings: Settings, work_dir: Path, listener: socket.socket) -> None:
        super().__init__("api")
        self._settings = settings
        self._work_dir = work_dir
        self._listener = listener
        self._counts = Layout.of(settings).request_counts
        shutil.rmtree(self._counts, ignore_errors=True)
        self._counts.mkdir(parents=True)
        self._running: list[subprocess.Popen[bytes]] = []
        self._pause_s = FIRST_PAUSE_S
        self._died = 0.0
        self.host, self.port = listener.getsockname()[:2]

    @property
    def url(self) -> str:
        """Where a client on this machine reaches the API."""
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def address(self) -> dict[str, Any]:
        """Host, port and URL as plain values, for other processes."""
        return {"host": self.host, "port": self.port, "url": self.url}

    def turn(self) -> bool:
        """Replace processes that have ended."""
        for process in [each for each in self._running if each.poll() is not None]:
            self._running.remove(process)
            logger.error("an API process ended with code %s; starting another", process.returncode)
            self._died = time.monotonic()
            self._stopping.wait(self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        if time.monotonic() - self._died > STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        server = self._settings.server
        wanted = 1 if server.reload else server.workers
        while len(self._running) < wanted and not self.stopping:
            self._running.append(processes.spawn(self._program()))
        self._stopping.wait(TURN_S)
        return True

    def close(self) -> None:
        """End all processes; open requests get their grace time together."""
        for process in self._running:
            process.terminate()
        deadline = time.monotonic() + STOP_GRACE_S
        for process in self._running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("an API process did not end in time and is killed")
            processes.end(process, 0.0)
        self._listener.close()

    def _program(self) -> ProgramSpec:
        descriptor = self._listener.fileno()
        reload = ("--reload",) if self._settings.server.reload else ()
        command = processes.module_command("daemon.api_server", str(descriptor), *reload)
        environment = {**as_environment(self._settings), COUNTS_VARIABLE: str(self._counts)}
        return ProgramSpec(command, self._work_dir, environment, pass_fds=(descriptor,), piped=False)


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether an HTTP server gives any answer but a failure of its own at `/`."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
