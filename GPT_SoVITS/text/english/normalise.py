"""English normalisation: numbers, times, money, units and signs into words; letters, blanks and ' . , ? ! - remain."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from GPT_SoVITS.text.english.dictionary import pronunciation
from GPT_SoVITS.text.english.expressions import written_out
from GPT_SoVITS.text.english.numbers import cardinal, decade, decimal, digits, fraction, ordinal, spoken
from GPT_SoVITS.text.english.quantities import (
    MONEY,
    NUMBER,
    SCALE,
    UNIT,
    fraction_with_unit,
    mixed_number,
    money,
    with_unit,
)

_TO_PLAIN = str.maketrans(
    {
        "。": ".",
        "！": "!",
        "？": "?",
        "，": ",",
        "、": ",",
        "；": ",",
        "：": ",",
        ";": ",",
        "…": ".",
        "’": "'",
        "‘": "'",
        "＇": "'",
        "`": "'",
        "−": "-",
        "–": " ",
        "—": " ",
        "\n": " ",
        "\t": " ",
        "\u3000": " ",
        "％": "%",
        "＄": "$",
        "￡": "£",
        "￥": "¥",
        "℃": "°C",
        "℉": "°F",
    }
)
_OPERATORS = {"+": "plus", "-": "minus", "*": "times", "×": "times", "/": "divided by", "÷": "divided by"}
_OPERATORS["="] = "equals"
_SIGNS = {"%": " percent", "&": " and ", "×": " times ", "÷": " divided by ", "=": " equals ", "+": " plus "}
_DOMAINS = "com|org|net|io|ai|dev|edu|gov|info|uk|cn|jp|kr|de|fr|txt|pdf|html|md|py|js|json|csv|zip|png|jpg|mp3|wav"

_BETWEEN_WORDS = re.compile(r"(?<=[A-Za-z.,'])[/_|\\:=<>()\[\]{}*~^]+(?=[A-Za-z])")
_NOT_SPOKEN = re.compile(r"[^ A-Za-z'.,?!\-]|(?<![A-Za-z])'|'(?![A-Za-z])")
_SHOUTED = re.compile(r"(?<![A-Za-z])[A-Z]{5,40}(?![A-Za-z])")
_BEFORE_CAPITAL = re.compile(r"(?<=[^\s\-])(?=[A-Z])")
_MARK_RUN = re.compile(r"([.,?!\- ])[.,?!\-]+")

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Return `text` as it is spoken: words of plain letters, blanks and the marks ' . , ? ! -"""
    text = written_out(text.translate(_TO_PLAIN))
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    text = _without_accents("".join(_SIGNS.get(character, character) for character in text))
    text = _BETWEEN_WORDS.sub(" ", _in_lower_case(text))
    text = _NOT_SPOKEN.sub("", text)
    text = _BEFORE_CAPITAL.sub(" ", text)
    return _MARK_RUN.sub(r"\1", text)


def _in_lower_case(text: str) -> str:
    """`text` with its shouted words in lower case; short ones are acronyms, which are spelled."""
    if text.isupper():
        return text
    return _SHOUTED.sub(lambda match: match[0].lower() if pronunciation(match[0].lower()) else match[0], text)


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def _enumeration(match: re.Match[str]) -> str:
    return "".join(f"{ordinal(number)}, " for number in re.findall(r"\d+", match[0]))


def _arithmetic(match: re.Match[str]) -> str:
    return f" {_OPERATORS[match[1]]} "


def _time(match: re.Match[str]) -> str:
    hour, minute, told = int(match[1]), match[2], match[3]
    minutes = " o'clock" if minute == "00" else " " + cardinal(minute)
    half = "" if told else " a.m." if hour < 12 else " p.m."
    return cardinal(str(hour % 12 or 12)) + minutes + half + (f" {told.strip()}" if told else "")


def _code(match: re.Match[str]) -> str:
    """The digits of a code such as AB123456 one by one, apart from letters on both sides."""
    letter_follows = match.string[match.end() : match.end() + 1].isalpha()
    return f" {digits(match[0])}{' ' if letter_follows else ''}"


def _version(match: re.Match[str]) -> str:
    return " point ".join(cardinal(part) for part in match[0].split("."))


def _compiled_rules() -> list[Rule]:
    written: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"(?<=[A-Za-z0-9])\.(?=(?:{_DOMAINS})\b)", lambda _: " dot "),
        (r"^ ?(?:\d{1,2}\. )+|(?<=, )\d{1,2}\. ", _enumeration),
        (r"(?<=[\d)]) ([-+*/×÷=]) (?=[\d(])", _arithmetic),
        (r"(?<=\b[A-Za-z]) ([+*×÷=]) (?=[A-Za-z\d]\b)", _arithmetic),
        (r"(?:(?<=^)|(?<= ))-(?=\d)", lambda _: "negative "),
        (r"(?<=\d),(?=\d{3}(?!\d))", lambda _: ""),
        (r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)( ?[ap]\.m\.)?(?![\d:])", _time),
        (r"\b(?:(\d{3}0)|(\d0))'?s\b", lambda match: decade(match[1] or match[2])),
        (rf"({MONEY}) ?({NUMBER})({SCALE})?|({NUMBER}) ?({MONEY})", money),
        (rf"(?<![\d/])(\d{{1,3}}) (\d)/(\d)(?![\d/])(?: ?(?!in\b)({UNIT})(?![A-Za-z\d/]))?", mixed_number),
        (rf"(?<![\d/])(\d{{1,3}})/(\d{{1,3}}) ?(?!in\b)({UNIT})(?![A-Za-z\d/])", fraction_with_unit),
        (rf"(?<![A-Za-z\d.])({NUMBER})(?: ?(?!in\b)|(?=in\b))({UNIT})(?![A-Za-z\d/])", with_unit),
        (r"(\d{1,60})(?:st|nd|rd|th)\b", lambda match: ordinal(match[1])),
        (r"(?<![\d/])(\d{1,60})/(\d{1,60})(?![\d/])", lambda match: fraction(match[1], match[2])),
        (r"(?<=[A-Za-z])(?:\d{5,60}|0\d{1,60})(?![.,:/]?\d)", _code),
        (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", lambda _: " "),
        (r"(?<![\d.])\d{1,20}(?:\.\d{1,20}){2,10}(?!\.?\d)", _version),
        (r"\d{1,60}\.\d{1,60}|(?<!\S)\.\d{1,60}", lambda match: decimal(match[0])),
        (r"\d{1,60}", lambda match: spoken(match[0])),
    ]
    return [(re.compile(pattern, re.ASCII), words) for pattern, words in written]


_RULES = _compiled_rules()
