"""The training log: one JSON object a line in metrics.jsonl, one line a step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

METRICS_FILE = "metrics.jsonl"


def begin_metrics(folder: Path, step: int) -> Path:
    """Return the log of a run that continues after `step`; lines of later or unfinished steps are taken out."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / METRICS_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if step and path.exists() else []
    kept = [line for line in lines if _step_of(line) <= step]
    path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    return path


def append_metrics(path: Path, values: Mapping[str, float | int | None]) -> None:
    """Add one line; a value that is not finite is written as null."""
    plain = {name: _rounded(value) for name, value in values.items()}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(plain) + "\n")


def _rounded(value: float | int | None) -> float | int | None:
    if isinstance(value, float):
        return float(f"{value:.6g}") if abs(value) < float("inf") else None
    return value


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
