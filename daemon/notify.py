"""Talk to systemd: readiness, status lines and watchdog pings (sd_notify protocol, man sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Sends states to the socket that systemd names; silent where there is none."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        address = variables.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        micros = variables.get("WATCHDOG_USEC", "")
        ours = variables.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds: float | None = int(micros) / 1e6 if micros.isdecimal() and ours else None
        """After this long without a ping systemd restarts the service; None: no watchdog is set."""

    def ready(self, status: str) -> bool:
        """Say that the service is up; returns whether systemd, where there is one, was told."""
        return self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={status}")

    def ping(self) -> None:
        """Say that all threads are healthy."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the service is going down."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def _send(self, state: str) -> bool:
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto(state.encode(), self._address)
        except OSError as error:
            logger.warning("systemd cannot be told %s: %s", state.partition("\n")[0], error)
            return False
        return True
