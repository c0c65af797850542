"""Telling open streams that the server is about to stop.

A server waits for open answers before it shuts the application down, so the end of the application's life is too late
to end a stream. Therefore the server's own signal handlers are wrapped while the application lives.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Whether this process was asked to stop. Used from the event loop only."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    @property
    def asked(self) -> bool:
        """Whether it was."""
        return self._asked.is_set()

    async def wait(self) -> None:
        """Return as soon as it was."""
        await self._asked.wait()

    def ask(self) -> None:
        """End all streams."""
        self._asked.set()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the signals that end a server, which still get to the server itself."""
        if threading.current_thread() is not threading.main_thread():  # a test client; only servers get signals
            yield
            return
        loop = asyncio.get_running_loop()
        before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in SIGNALS}

        def heard(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.ask)
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        replaced = [number for number in SIGNALS if callable(before[number])]
        for number in replaced:
            signal.signal(number, heard)
        try:
            yield
        finally:
            for number in replaced:
                if signal.getsignal(number) is heard:
                    signal.signal(number, before[number])
