"""Where the reference lines of the text front-end are, and which of them the public front-end gets wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = Path(os.environ.get("GOLDEN_TEXT_DIR", ROOT.parent / "shared" / "golden_text"))

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


REPAIRED_ENGLISH = {
    "In 2024, prices rose; in 2000, nobody cared.": "a semicolon is a pause",
    "Only 1/3 of voters agreed; 2/3 did not.": "a semicolon is a pause",
    "Wait - what - no!": "a spaced hyphen between words is not a subtraction",
    "Rock & roll @ home #music *now*.": "an ampersand is read and",
    "Before we begin, make sure that you have a sharp pencil, a clean sheet of paper, a ruler, and about twenty "
    "minutes of peace; then draw a straight line from left to right, mark the middle, and, without lifting your hand, "
    "trace the outline of whatever you imagine the wind would look like if it could be seen.": "a semicolon is a pause",
    "The 1990s were different from the 80s.": "a decade is not a number of seconds",
}
REPAIRED_MIXED = {
    "他说“Good morning”，然后就走了。": "a full-width comma after English is a pause",
    "这首歌叫《Yesterday》，是The Beatles唱的。": "a full-width comma after English is a pause",
    "OK，没问题。": "a full-width comma after English is a pause",
    "La vie est belle，这是法语。": "a full-width comma after English is a pause",
    "Hello，我是小明，nice to meet you。": "a full-width comma after English is a pause",
    "帮我打开Netflix，看第3季。": "a full-width comma after English is a pause",
    "100%纯棉T-shirt只要99元。": "T-shirt is T and shirt",
    "。。。": "nothing to speak is refused",
}
