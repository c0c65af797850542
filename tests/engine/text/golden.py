"""Where the reference lines of the text front-end are, and which of them the public front-end gets wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(os.environ.get("GOLDEN_TEXT_DIR", ROOT.parent / "shared" / "golden_text"))

EDGE_CASES = GOLDEN / "edge_cases.jsonl"

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="the reference lines are absent; set GOLDEN_TEXT_DIR to their folder"
)


def golden_lines(name: str) -> list[dict[str, Any]]:
    """Return the lines of golden_<name>.jsonl."""
    text = (GOLDEN / f"golden_{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def golden_table(name: str) -> dict[str, Any]:
    """Return <name>.json."""
    table: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return table
