"""The front-end gives the phones that the public checkpoints were trained with, line by line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from golden import EDGE_CASES, GOLDEN, golden_lines, golden_table, needs_golden

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import pieces_for_synthesis
from GPT_SoVITS.text.frontend import ids_of, phones_of, pieces_of
from GPT_SoVITS.text.jyutping import parts_of_syllable, phones_of_jyutping
from GPT_SoVITS.text.mandarin.readings import phones_of_syllable
from GPT_SoVITS.text.quirks import MISREADINGS
from GPT_SoVITS.text.report import STRICT, Outcome, Verdict, compare_all, main
from GPT_SoVITS.text.symbols import UNKNOWN, symbols

pytestmark = needs_golden

SOURCES = ["zh", "en", "ja", "ko", "yue", "v1", "mixed", "segmentation", "cut"]
EXACT = ["ja", "ko", "segmentation", "cut"]
"""What is equal line by line, without a single exception."""
UNNAMED = {
    "Dr. Smith met Mrs. Jones and Mr. Lee.",  # Drive. Smith met Mrs. Jones and Mr. Lee
    "Rock & roll @ home #music *now*.",  # without the and
    "Wi-Fi密码是多少？",  # W, I, fi
    "ワシントンD.C.に住んでいます。",  # a full stop behind each letter
}


@pytest.fixture(scope="module")
def verdicts() -> Sequence[Verdict]:
    return compare_all(GOLDEN)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_symbol_tables_built_from_their_parts_equal_the_reference(version: str) -> None:
    assert list(symbols(version)) == golden_table(f"symbols_{version}")["symbols"]


def test_every_pinyin_syllable_has_the_two_phones_of_the_reference() -> None:
    table = golden_table("pinyin_to_phones")["map"]
    assert {spelling: list(phones_of_syllable(spelling)) for spelling in table} == table


def test_every_jyutping_syllable_has_the_two_phones_of_the_reference() -> None:
    table = golden_table("jyutping_to_phones")["map"]
    ours = {spelling: parts_of_syllable(spelling) for spelling in table}
    assert {spelling: list(parts) if parts else None for spelling, parts in ours.items()} == table


def test_no_syllable_of_cantonese_speech_is_unknown_to_the_checkpoints() -> None:
    table = golden_table("jyutping_to_phones")["map"]
    known = set(symbols("v2")) - {UNKNOWN}
    assert [spelling for spelling in table if not set(phones_of_jyutping(spelling + "3")) <= known] == []


@pytest.mark.parametrize("source", SOURCES)
def test_every_strict_line_is_equal_when_read_as_the_public_program(source: str, verdicts: Sequence[Verdict]) -> None:
    strict = [verdict for verdict in verdicts if verdict.source == source and verdict.group == STRICT]
    assert strict
    assert [verdict.text for verdict in strict if not verdict.as_public] == []


@pytest.mark.parametrize("source", EXACT)
def test_these_strict_lines_are_equal_without_exception(source: str, verdicts: Sequence[Verdict]) -> None:
    strict = [verdict for verdict in verdicts if verdict.source == source and verdict.group == STRICT]
    assert [verdict.text for verdict in strict if not verdict.equal] == []


def test_only_these_strict_lines_differ_by_a_fault_that_the_reference_does_not_name(
    verdicts: Sequence[Verdict],
) -> None:
    unnamed = {v.text for v in verdicts if v.group == STRICT and v.outcome is Outcome.FAULT}
    assert unnamed == UNNAMED


def test_every_named_fault_is_called_one_by_the_reference() -> None:
    facts = " ".join((GOLDEN / "FACTS.md").read_text(encoding="utf-8").split())
    faults = [fault for faults in MISREADINGS.values() for fault in faults]
    assert [fault.named for fault in faults if fault.named not in facts] == []


def test_a_fault_excuses_no_difference_beyond_its_own_place(tmp_path: Path) -> None:
    line = next(line for line in golden_lines("zh") if "怎麼走" in line["text"])
    assert [(v.outcome, v.missed) for v in _compared(line, tmp_path)] == [(Outcome.QUIRK, False)]
    slip = {**line, "ids": [*line["ids"][:-1], line["ids"][0]]}
    assert [(v.outcome, v.missed) for v in _compared(slip, tmp_path)] == [(Outcome.UNEXPLAINED, True)]
    assert main([str(tmp_path)]) == 1


def test_a_strict_line_that_only_the_right_reading_gives_is_missed(tmp_path: Path) -> None:
    line = next(line for line in golden_lines("zh") if "怎麼走" in line["text"])
    right = {**line, "ids": ids_of(pieces_of(line["text"], "zh")), "word2ph": None}
    assert [(v.equal, v.missed) for v in _compared(right, tmp_path)] == [(True, True)]
    assert main([str(tmp_path)]) == 1


def _compared(line: dict[str, Any], folder: Path) -> list[Verdict]:
    """The verdicts of a folder that holds this line of Mandarin alone."""
    (folder / "golden_zh.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return compare_all(folder)


def test_the_report_counts_and_lists_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDEN)]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{source} " in printed for source in SOURCES)
    assert "It’s John’s idea" in printed


def test_the_report_says_when_its_folder_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


def test_every_edge_case_is_spoken_or_refused_with_a_sentence() -> None:
    for written in EDGE_CASES.read_text(encoding="utf-8").splitlines():
        line = json.loads(written)
        try:
            ids = ids_of(phones_of(line["text"], line["language"], symbols=line["version"]))
        except TextError as refusal:
            assert str(refusal)
        else:
            assert all(0 <= number < len(symbols(line["version"])) for number in ids)


def test_a_voice_of_the_first_version_reads_what_it_does_not_know_as_a_pause() -> None:
    spoken = phones_of("你好，안녕하세요，再见。", "auto", symbols="v1")
    assert [piece.phones for piece in spoken if piece.language == "ko"] == [(",",)]
    assert UNKNOWN not in {phone for piece in spoken for phone in piece.phones}


def test_texts_that_the_public_engine_cannot_cut_are_refused() -> None:
    refused = [line for line in golden_lines("cut") if not isinstance(line["pieces_engine"]["cut5"], list)]
    assert refused
    for line in refused:
        with pytest.raises(TextError):
            pieces_for_synthesis(line["text"], line["language"], "cut5")
