"""What the GPUs are doing, as nvidia-smi tells; machines without it have none."""

from __future__ import annotations

import logging
import shutil
import subprocess

logger = logging.getLogger(__name__)

COMMAND = ("--query-gpu=index,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits")
TIMEOUT_S = 10.0
MEBIBYTE = 1024 * 1024


def present() -> bool:
    """Whether this machine has the program that tells about its GPUs."""
    return shutil.which("nvidia-smi") is not None


def sample() -> dict[str, dict[str, float]]:
    """Return memory in bytes and the busy share of each GPU by its number; empty without GPUs."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    try:
        done = subprocess.run([program, *COMMAND], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("nvidia-smi gave no answer: %s", error)
        return {}
    return parse(done.stdout)


def parse(listing: str) -> dict[str, dict[str, float]]:
    """Return the facts of one listing; a figure that a card does not tell is 0."""
    found = {}
    for line in listing.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 4:
            used, total, busy = (_number(part) for part in parts[1:])
            found[parts[0]] = {
                "memory_used_bytes": used * MEBIBYTE,
                "memory_bytes": total * MEBIBYTE,
                "busy_ratio": busy / 100,
            }
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
