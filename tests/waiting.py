"""Waiting in tests: so long that only a broken program is given up on, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

PATIENCE_S = 120.0
LOOK_S = 0.03


def until(condition: Callable[[], object], what: str = "what has to come") -> None:
    """Wait for a condition; fail when it never comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE_S:.0f} s in vain for {what}")
        time.sleep(LOOK_S)
