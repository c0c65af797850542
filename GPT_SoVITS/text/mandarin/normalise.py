"""Mandarin normalisation: numbers, dates, units and signs into Chinese characters and the kept marks."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from GPT_SoVITS.text.mandarin.number_rules import LATIN_QUANTITY_RULES, NUMBER_RULES, apply
from GPT_SoVITS.text.mandarin.units import SIGNS
from GPT_SoVITS.text.marks import TO_KEPT, collapse_runs

_TO_HALF_WIDTH = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    | {"％": "%", "＋": "+", "－": "-", "＝": "=", "／": "/", "−": "-", "–": "-", "～": "~", "〜": "~", "\u3000": " "}
    | {"＞": ">", "＜": "<", "＄": "$", "．": ".", "’": "'"}
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DELETED = re.compile(r"[\ud800-\udfff —《》【】{}()（）#&@“”_|\\\r\t]")
_TO_MARKS = {**TO_KEPT, ord("~"): "…", ord("^"): ",", ord("￥"): ",", ord(";"): ",", ord(":"): ",", ord("\n"): None}
_INTERJECTIONS = str.maketrans("嗯呣", "恩母")
WEB_ADDRESS = re.compile(
    r"(?:https?://|www\.)[!-~]+|(?<![A-Za-z0-9_.+-])[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}@[A-Za-z0-9.-]{1,250}[A-Za-z]"
)
_BETWEEN_LATIN = re.compile(r"(?<=[A-Za-z])[./](?=[A-Za-z])")
_BETWEEN_NUMBERS = (
    (re.compile(r"(?<=\d)：(?=\d)"), ":"),
    (re.compile(r"(?<=\d)[—]{1,2}(?=\d)"), "~"),
    (re.compile(r"(?<!\d)(\+?\d{2,4}) (\d{3,4}) (\d{4})(?: (\d{4}))?(?: (\d{1,4}))?(?!\d)"), r"\1\2\3\4\5"),
    (re.compile(r"(?<!\d)(\+86) (?=1\d{10}(?!\d))"), r"\1"),
    (re.compile(r"(?<!\d)(0\d{2,3}) (?=\d{7,8}(?!\d))"), r"\1-"),
    (re.compile(r"(?<!\d)(\d{4}) (\d{2}) (\d{2})(?!\d)"), r"\1-\2-\3"),
    (re.compile(r"(?<=\d) +(?=\d)"), "，"),
    (re.compile(r"(?<=[A-Za-z²³%℃])/(?=\d)"), "，"),
    (re.compile(r"(?<=\d)(?=[½⅓⅔¼¾])"), "又"),
)
"""Signs and blanks between digits that the deletion of blanks and brackets would destroy."""
_NOT_SPOKEN = re.compile(r"[^\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff!?…,.]|[桛烪瓼]")
"""What is neither Chinese nor a kept mark, and three characters that no dictionary reads."""
_REPEATED = re.compile(r"([\u4e00-\u9fa5])々")


def normalise(text: str) -> str:
    """Return `text` as it is spoken: Chinese characters and the marks ! ? … , . only, no runs of marks."""
    text = spoken(simplified(text)).translate(_INTERJECTIONS)
    text = text.replace("...", "…").translate(_TO_MARKS)
    return collapse_runs(_NOT_SPOKEN.sub("", text.replace("-", "")))


def spoken(text: str) -> str:
    """Return `text` with its numbers, dates, units and signs in words; other characters and marks stay as they are.

    The words are simplified characters; measure words are known in both scripts.
    """
    text = _REPEATED.sub(r"\1\1", WEB_ADDRESS.sub("", text.translate(_TO_HALF_WIDTH)))
    for pattern, replacement in _BETWEEN_NUMBERS:
        text = pattern.sub(replacement, text)
    text = apply(NUMBER_RULES, _DELETED.sub("", text))
    return _BETWEEN_LATIN.sub("", text).translate(SIGNS)


def latin_quantities_in_words(text: str) -> str:
    """Return `text` with only those numbers in Chinese words that are glued to Latin letters: 10km, HK$299, 25°C.

    For text that is divided by language afterwards, which would tear such a number from its unit. A number between
    Latin words stays as it is.
    """
    for pattern, words in LATIN_QUANTITY_RULES:
        text = pattern.sub(_outside_latin(words), text)
    return text


def _outside_latin(words: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
    def replacement(match: re.Match[str]) -> str:
        before = match.string[max(match.start() - 2, 0) : match.start()].strip()[-1:]
        after = match.string[match.end() : match.end() + 2].strip()[:1]
        return match[0] if (before + after).isascii() and (before + after).isalpha() else words(match)

    return replacement


def simplified(text: str) -> str:
    """Return `text` in simplified characters, without lone surrogates."""
    return str(_converter().convert(_LONE_SURROGATE.sub("", text)))


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")
