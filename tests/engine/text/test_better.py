"""Texts that the public front-end plainly misreads and this one reads rightly; each line says how and why.

`said` is the same text written out as it is spoken: both must have the same phones. `phones` must be among the phones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from GPT_SoVITS.text.dictionary import EMPTY
from GPT_SoVITS.text.languages import Language
from GPT_SoVITS.text.readers import READERS

FILES = sorted(Path(__file__).parent.glob("better_*.jsonl"))
LEAST_CASES = 25


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


CASES = [
    pytest.param(path.stem.removeprefix("better_"), case, id=f"{path.stem}-{case['text']}")
    for path in FILES
    for case in lines(path)
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_there_are_enough_cases_each_with_a_reason(path: Path) -> None:
    cases = lines(path)
    assert len({case["text"] for case in cases}) >= LEAST_CASES
    assert all(case["why"] and case["public"] for case in cases)


@pytest.mark.parametrize(("language", "case"), CASES)
def test_a_text_that_the_public_front_end_misreads_is_read_rightly(language: str, case: dict[str, Any]) -> None:
    read = READERS[Language(language)](case["text"], "v2", EMPTY)
    if "phones" in case:
        assert f" {case['phones']} " in f" {' '.join(read.phones)} "
        assert f" {case['public']} " not in f" {' '.join(read.phones)} "
    else:
        assert _sounds(read.phones) == _sounds(READERS[Language(language)](case["said"], "v2", EMPTY).phones)


def _sounds(phones: tuple[str, ...]) -> list[str]:
    """Phones without blanks between Korean words and without the marks of accent phrases, which spelling moves."""
    return [phone for phone in phones if phone not in {"空", "UNK", "[", "]"}]
