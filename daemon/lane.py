"""A permanent thread that does one kind of work, one thing at a time.

Children are started from lanes because the kernel ends a child when the *thread* that started it ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

logger = logging.getLogger(__name__)

IDLE_S = 5.0
PAUSE_AFTER_ERROR_S = 1.0
STOP_WAIT_S = 38.0
"""The whole daemon ends within 40 s."""


class Lane(threading.Thread):
    """Calls `turn` again and again: at once while there is work, else when poked or after a few seconds."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._poked = threading.Event()
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether the lane was asked to end."""
        return self._stopping.is_set()

    @property
    def healthy(self) -> bool:
        """Whether the thread lives."""
        return self.is_alive()

    def poke(self) -> None:
        """Say that there may be work."""
        self._poked.set()

    def stop(self) -> None:
        """Ask the lane to end its work; `join` waits for it."""
        self._stopping.set()
        self._poked.set()

    def run(self) -> None:
        """Work until stopped; an error is logged and the lane goes on."""
        try:
            while not self.stopping:
                try:
                    busy = self.turn()
                except Exception:  # the boundary of the thread: nothing may end it
                    logger.exception("%s met an unexpected error and goes on", self.name)
                    self._stopping.wait(PAUSE_AFTER_ERROR_S)
                    continue
                if not busy:
                    self._poked.wait(IDLE_S)
                    self._poked.clear()
        finally:
            self.close()

    def turn(self) -> bool:
        """Do one piece of work; return whether there may be more at once."""
        raise RuntimeError(f"{type(self).__name__} has no work of its own")

    def close(self) -> None:
        """Free what the lane holds, at the end of its thread."""


def stop_lanes(lanes: Sequence[Lane]) -> None:
    """Ask all lanes to end and wait for them, together for at most STOP_WAIT_S."""
    for lane in lanes:
        lane.stop()
    deadline = time.monotonic() + STOP_WAIT_S
    for lane in lanes:
        if lane.is_alive():
            lane.join(max(0.0, deadline - time.monotonic()))
        if lane.is_alive():
            logger.error("%s did not stop in time; its processes end with the daemon", lane.name)
