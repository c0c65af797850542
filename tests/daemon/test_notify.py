"""Talking to systemd: the datagrams are those of sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.notify import Notifier
from tests.waiting import PATIENCE_S


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE_S)
        yield receiver


def test_each_state_is_one_datagram(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    notifier.ready("ready: 角色")
    notifier.status("busy")
    notifier.ping()
    notifier.stopping()
    assert [systemd.recv(1000).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=ready: 角色", "STATUS=busy", "WATCHDOG=1", "STOPPING=1\nSTATUS=stopping",
    ]  # fmt: skip


def test_a_socket_in_the_abstract_namespace_is_understood() -> None:
    name = f"sovits-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(PATIENCE_S)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ping()
        assert receiver.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier({})
    notifier.ready("x")
    assert notifier.watchdog_seconds is None


def test_a_socket_that_is_gone_is_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")
    assert "systemd cannot be told READY=1" in caplog.text


def test_readiness_that_could_not_be_told_is_known_and_told_later(systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    # given a systemd that does not read for a while
    unread = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(BlockingIOError):
        sender.setblocking(False)
        while True:
            sender.sendto(b"WATCHDOG=1", systemd.getsockname())
            unread += 1
    assert not notifier.ready("ready")
    # when it reads again
    for _ in range(unread):
        systemd.recv(100)
    assert notifier.ready("ready")
    assert systemd.recv(100) == b"READY=1\nSTATUS=ready"


def test_the_watchdog_counts_only_when_it_is_meant_for_this_process() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_seconds == 30.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_seconds == 30.0
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_seconds is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_seconds is None
