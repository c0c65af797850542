"""Mandarin and Cantonese have the phones that the public checkpoints were trained with, line by line.

All lines that the reference calls strict are compared. Those few in which it calls the public reading a quirk, and
never asks that a quirk be kept, are listed with its own words for the quirk, and must differ in nothing else.
"""

from __future__ import annotations

from typing import Any

import pytest
from golden import GOLDEN, golden_lines, golden_table, needs_golden
from opencc import OpenCC

from GPT_SoVITS.text.cantonese import cantonese_phones
from GPT_SoVITS.text.jyutping import parts_of_syllable
from GPT_SoVITS.text.mandarin.phones import mandarin_phones
from GPT_SoVITS.text.mandarin.readings import phones_of_syllable
from GPT_SoVITS.text.symbols import UNKNOWN, ids_by_symbol, ids_of_phones

pytestmark = needs_golden

_MANDARIN_QUIRKS = {
    "請問龍門客棧怎麼走？": ("請問龍門客棧怎馍走？", "麼->麽"),
    "邮箱是test@example.com，请查收。": ("邮箱是秒米.米，请查收。", "an e-mail address yields 秒 and 米"),
}
"""Strict line -> the same with what the quirk makes of it written out, and the reference's words for the quirk."""

_DROPPED = "㗎 𨋢 disappear"
_SIMPLIFIED = "simplified input costs some readings"
_MINUS = "phone and 400 numbers get 减"
_CANTONESE_QUIRKS = {
    "係咁㗎啦，冇計嘅。": _DROPPED,
    "快啲啦，遲到㗎嘞！": _DROPPED,
    "唔使客氣，自己友嚟㗎。": _DROPPED,
    "咦，乜嘢嚟㗎？": _DROPPED,
    "熱線係400-123-4567。": _MINUS,
    **dict.fromkeys(
        (
            "呢件衫幾多錢？",
            "幾時先放假？",
            "樓下有20幾個人排隊。",
            "樓價升到1.2億元。",
            "買隻雞同隻鴨返嚟。",
            "隻貓匿埋喺櫃底。",
            "佢话听日会落雨。",
            "等等...唔好走住;聽我講:好重要!",
            "細個嗰陣，我最鍾意同阿爺去茶樓飲早茶，佢會一路睇報紙一路剝蝦餃皮俾我食，而我就坐喺張高凳上面，望住窗外啲巴士一架一架咁駛過，"
            "聽住隔籬枱啲阿叔大聲講馬經，而家諗返起嚟，真係好似發咗個好長好暖嘅夢。",
            "凍檸茶走甜，多謝。",
            "請讓乘客先行落車。",
            "部洗衣機洗極都唔乾淨。",
        ),
        _SIMPLIFIED,
    ),
}


def _of_mandarin(text: str, version: str = "v2") -> list[list[int]]:
    got = mandarin_phones(text, erhua=version != "v1")
    return [list(ids_of_phones(got.phones, version)), list(got.word2ph)]


def _of_cantonese(text: str) -> list[list[int]]:
    got = cantonese_phones(text)
    return [list(ids_of_phones(got.phones)), list(got.word2ph)]


def _of_reference(line: dict[str, Any]) -> list[list[int]]:
    return [line["ids"], line["word2ph"]]


def _is_strict(line: dict[str, Any]) -> bool:
    return not line.get("polyphone") and line.get("wetext_agrees") is not False


def _by_character(norm_text: str, phones: list[str], word2ph: list[int]) -> list[tuple[str, list[str]]]:
    ends = [sum(word2ph[: index + 1]) for index in range(len(word2ph))]
    return [(c, phones[end - count : end]) for c, count, end in zip(norm_text, word2ph, ends, strict=True)]


def test_every_pinyin_syllable_has_the_two_phones_of_the_reference() -> None:
    table = golden_table("pinyin_to_phones")["map"]
    assert {spelling: list(phones_of_syllable(spelling)) for spelling in table} == table


def test_every_jyutping_syllable_has_the_two_phones_of_the_reference() -> None:
    table = golden_table("jyutping_to_phones")["map"]
    ours = {spelling: parts_of_syllable(spelling) for spelling in table}
    assert {spelling: list(parts) if parts else None for spelling, parts in ours.items()} == table


def test_every_strict_mandarin_line_has_the_reference_ids_and_counts() -> None:
    strict = [line for line in golden_lines("zh") if _is_strict(line)]
    wrong = [
        line["text"]
        for line in strict
        if _of_mandarin(_MANDARIN_QUIRKS.get(line["text"], (line["text"], ""))[0]) != _of_reference(line)
    ]
    assert len(strict) > 70
    assert wrong == []


def test_every_strict_line_of_the_first_symbol_table_has_the_reference_ids() -> None:
    strict_texts = {line["text"] for line in golden_lines("zh") if _is_strict(line)} - _MANDARIN_QUIRKS.keys()
    strict = [line for line in golden_lines("v1") if line["language"] == "zh" and line["text"] in strict_texts]
    assert strict
    wrong = [line["text"] for line in strict if _of_mandarin(line["text"], "v1") != _of_reference(line)]
    assert wrong == []


def test_every_cantonese_line_has_the_reference_ids_and_counts_but_for_the_quirks() -> None:
    lines = golden_lines("yue")
    wrong = [line["text"] for line in lines if _of_cantonese(line["text"]) != _of_reference(line)]
    assert sorted(wrong) == sorted(_CANTONESE_QUIRKS)


@pytest.mark.parametrize("text", [text for text, quirk in _CANTONESE_QUIRKS.items() if quirk != _MINUS])
def test_a_cantonese_line_with_a_quirk_differs_only_where_the_public_front_end_lost_the_written_character(
    text: str,
) -> None:
    line = next(line for line in golden_lines("yue") if line["text"] == text)
    got = cantonese_phones(text)
    ours = [pair for pair in _by_character(got.norm_text, list(got.phones), list(got.word2ph)) if pair[0] != "㗎"]
    theirs = _by_character(line["norm_text"], line["phones"], line["word2ph"])
    to_traditional = OpenCC("s2hk").convert
    for (written, phones), (public, public_phones) in zip(ours, theirs, strict=True):
        assert phones == public_phones or written != public or to_traditional(written) != written


def test_every_quirk_is_called_one_by_the_reference() -> None:
    facts = " ".join((GOLDEN / "FACTS.md").read_text(encoding="utf-8").split())
    quirks = {words for _, words in _MANDARIN_QUIRKS.values()} | set(_CANTONESE_QUIRKS.values())
    assert {words for words in quirks if words not in facts} == set()


def test_no_syllable_of_cantonese_speech_is_unknown_to_the_checkpoints() -> None:
    from GPT_SoVITS.text.jyutping import phones_of_jyutping

    table = golden_table("jyutping_to_phones")["map"]
    known = ids_by_symbol("v2")
    lost = {s for s in table if not set(phones_of_jyutping(s + "3")) <= known.keys() - {UNKNOWN}}
    assert lost == set()
