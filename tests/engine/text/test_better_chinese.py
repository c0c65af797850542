"""Where the public front-end reads Chinese plainly wrong: better_zh.tsv and better_yue.tsv hold the right readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from GPT_SoVITS.text.cantonese import cantonese_phones
from GPT_SoVITS.text.jyutping import parts_of_syllable
from GPT_SoVITS.text.mandarin.phones import mandarin_phones
from GPT_SoVITS.text.mandarin.readings import phones_of_pinyin, syllable_of
from GPT_SoVITS.text.marks import KEPT
from GPT_SoVITS.text.symbols import ids_by_symbol

_FOLDER = Path(__file__).parent


def _cases(name: str) -> list[tuple[str, str, str]]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    cases = [tuple(line.split("\t")) for line in lines if not line.startswith("#")]
    return [(text, reading, why) for text, reading, why in cases]


def _jyutping_phones(syllable: str) -> tuple[str, str]:
    parts = parts_of_syllable(syllable[:-1])
    assert parts is not None
    return parts[0], parts[1] + syllable[-1]


@pytest.mark.parametrize("name", ["better_zh.tsv", "better_yue.tsv"])
def test_there_are_at_least_25_cases_of_different_texts(name: str) -> None:
    assert len({text for text, _, _ in _cases(name)}) >= 25


@pytest.mark.parametrize(("text", "reading", "why"), _cases("better_zh.tsv"))
def test_mandarin_is_read_as_a_speaker_reads_it(text: str, reading: str, why: str) -> None:
    phones: list[str] = []
    for written in reading.split():
        phones += [written] if written in KEPT else phones_of_pinyin(syllable_of(written))
    assert list(mandarin_phones(text).phones) == phones, why
    assert set(phones) <= ids_by_symbol("v2").keys()


@pytest.mark.parametrize(("text", "reading", "why"), _cases("better_yue.tsv"))
def test_cantonese_is_read_as_a_speaker_reads_it(text: str, reading: str, why: str) -> None:
    phones: list[str] = []
    for written in reading.split():
        phones += [written] if written in KEPT else _jyutping_phones(written)
    assert list(cantonese_phones(text).phones) == phones, why
    assert set(phones) <= ids_by_symbol("v2").keys()
