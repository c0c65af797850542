"""Cutting, collapsing, limiting and merging give the public pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import cut, join_short, limit, speakable_pieces
from GPT_SoVITS.text.marks import collapse_runs
from tests.engine.golden import golden_file


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(golden_file("vectors/text_split.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("method", ["cut0", "cut1", "cut2", "cut3", "cut4", "cut5"])
def test_each_method_cuts_at_the_public_places(cases: dict[str, Any], method: str) -> None:
    for case in cases["methods"][method]:
        assert "\n".join(cut(case["in"], method)) == case["out"]


def test_runs_of_marks_collapse_as_in_public(cases: dict[str, Any]) -> None:
    for case in cases["replace_consecutive_punctuation"]:
        assert collapse_runs(case["in"]) == case["out"]


def test_the_pieces_to_speak_are_the_public_ones(cases: dict[str, Any]) -> None:
    for case in cases["pre_seg_text"]:
        if case.get("out"):
            assert speakable_pieces(case["text"], case["lang"], case["method"]) == case["out"]
        else:  # the public engine gives no piece or breaks; ours says why
            with pytest.raises(TextError, match="nothing that can be spoken"):
                speakable_pieces(case["text"], case["lang"], case["method"])


def test_long_pieces_are_cut_at_the_public_places(cases: dict[str, Any]) -> None:
    for case in cases["split_big_text"]:
        assert limit(case["in"], case["max_len"]) == case["out"]


def test_short_pieces_are_merged_as_in_public(cases: dict[str, Any]) -> None:
    for case in cases["merge_short_text_in_array"]:
        assert case["threshold"] == 5
        assert join_short(case["in"]) == case["out"]
