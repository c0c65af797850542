"""`python -m pipeline.probe`: is this file audio that can be used? Asked before a file is taken.

Reads one JSON object a line, {"path": …}, and answers one a line: {"path", "ok", "reason", "duration_s", "rate_hz",
"silent"}. It decodes, so it runs in a process of its own that the asker may kill.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from GPT_SoVITS.audio import decode_blocks, peak_dbfs, probe
from GPT_SoVITS.errors import AudioError

SILENCE_DBFS = -60.0
WHOLE_S = 600.0
"""Files up to this length are decoded to their end, longer ones only this far: convert reads them whole later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one file; `reason` is one sentence when it cannot be used."""

    path: str
    ok: bool
    reason: str | None = None
    duration_s: float | None = None
    rate_hz: int | None = None
    silent: bool = False


def examine(path: Path) -> Answer:
    """Look at one file."""
    try:
        facts = probe(path)
        heard_s, loudest = 0.0, float("-inf")
        limit = None if facts.duration_s is not None and facts.duration_s <= WHOLE_S else WHOLE_S
        for block in decode_blocks(path, facts.rate_hz, max_duration_s=limit):
            heard_s += len(block) / facts.rate_hz
            loudest = max(loudest, peak_dbfs(block))
    except AudioError as error:
        return Answer(str(path), False, str(error))
    except OSError as error:
        return Answer(str(path), False, f"{path.name} cannot be read: {error.strerror}")
    duration_s = max(heard_s, facts.duration_s or 0.0)
    if loudest < SILENCE_DBFS:
        reason = f"{path.name} is silent (nothing above {SILENCE_DBFS:.0f} dBFS)"
        return Answer(str(path), False, reason, duration_s, facts.rate_hz, True)
    return Answer(str(path), True, None, duration_s, facts.rate_hz)


def main() -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        print(json.dumps(asdict(examine(Path(json.loads(line)["path"])))), flush=True)  # noqa: T201 - its one purpose


if __name__ == "__main__":
    main()
