"""Everyday texts with numbers, names, addresses and mixed scripts sound like the same written out in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.languages import Mode

CASES = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "everyday.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("language", "text", "spoken"), CASES)
def test_a_text_sounds_like_the_same_written_out(language: str, text: str, spoken: str) -> None:
    assert _sounds(text, language) == _sounds(spoken, language)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        ("I live in London.", "L IH1 V IH0 N"),
        ("We will live there.", "L IH1 V DH EH1 R"),
        ("A live concert", "L AY1 V K AA1 N S ER0 T"),
        ("The lead singer left.", "L IY1 D S IH1 NG ER0"),
        ("You will lead us.", "L IY1 D AH1 S"),
        ("A lead pipe", "L EH1 D P AY1 P"),
        ("She was in tears.", "T IH1 R Z"),
        ("A deep wound", "W UW1 N D"),
        ("He wound the clock.", "W AW1 N D"),
        ("A strong wind blew.", "W IH1 N D"),
        ("They wind the clock.", "W AY1 N D"),
    ],
)
def test_an_english_word_with_two_readings_is_told_by_its_neighbours(text: str, phones: str) -> None:
    spoken = " ".join(phone for piece in phones_of(text, Mode.EN) for phone in piece.phones)
    assert phones in spoken


def _sounds(text: str, language: str) -> list[str]:
    """Phones without blanks between Korean words and without the marks of accent phrases, which spelling moves."""
    silent = {"空", "UNK", "[", "]"}
    return [phone for piece in phones_of(text, language) for phone in piece.phones if phone not in silent]
