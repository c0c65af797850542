"""Asking a process of its own whether a file is audio: what decodes untrusted bytes may crash or hang."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.errors import UnsupportedAudioError
from daemon.processes import module_command
from daemon.settings import CHECKOUT, InboxSettings

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a usable file holds."""

    duration_s: float
    sample_rate_hz: int


def probe(path: Path, limits: InboxSettings) -> AudioFacts:
    """Decode a file far enough to know that it is usable audio.

    Raises:
        UnsupportedAudioError: it is not audio, broken, silent, or not of an accepted length; says which.
    """
    answer = _ask(path)
    if not answer.get("ok"):
        raise UnsupportedAudioError(str(answer.get("reason") or f"{path.name} is not audio that can be decoded"))
    facts = AudioFacts(float(answer["duration_s"]), int(answer["rate_hz"]))
    if facts.duration_s < limits.min_duration_s:
        raise UnsupportedAudioError(
            f"{path.name} lasts {facts.duration_s:.2f} s; a recording needs at least {limits.min_duration_s:g} s"
        )
    if facts.duration_s > limits.max_duration_s:
        raise UnsupportedAudioError(
            f"{path.name} lasts {facts.duration_s:.0f} s, more than the limit of {limits.max_duration_s:g} s; split it"
        )
    return facts


def _ask(path: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(CHECKOUT), os.getenv("PYTHONPATH"))))}
    try:
        done = subprocess.run(
            module_command("pipeline.probe"),
            input=json.dumps({"path": str(path)}) + "\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"reason": f"{path.name} could not be decoded within {TIMEOUT_S:.0f} s; convert it to WAV and try again"}
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return {"reason": f"{path.name} makes the decoder fail; it is broken or not audio"}
    return answer if isinstance(answer, dict) else {}
