"""English normalisation: numbers, times, money, units and signs into words; letters, blanks and ' . , ? ! - remain."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from GPT_SoVITS.text.english.numbers import cardinal, decade, decimal, fraction, ordinal, spoken

_NUMBER = r"\d{1,60}(?:\.\d{1,60})?"
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
_UNITS: dict[str, tuple[str, str]] = {
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "ft": ("foot", "feet"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "ms": ("millisecond", "milliseconds"),
    "s": ("second", "seconds"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "Hz": ("hertz", "hertz"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "kW": ("kilowatt", "kilowatts"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}
_UNIT_PATTERN = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_MONEY: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_OPERATORS = {"+": "plus", "-": "minus", "*": "times", "×": "times", "/": "divided by", "÷": "divided by"}
_OPERATORS["="] = "equals"
_SIGNS = {"%": " percent", "&": " and ", "×": " times ", "÷": " divided by ", "=": " equals ", "+": " plus "}
_DOMAINS = "com|org|net|io|ai|dev|edu|gov|info|uk|cn|jp|kr|de|fr|txt|pdf|html|py|js|json|csv|zip|png|jpg|mp3|wav"

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Return `text` as it is spoken: words of plain letters, blanks and the marks ' . , ? ! -"""
    text = text.translate(_TO_PLAIN)
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    text = _without_accents("".join(_SIGNS.get(character, character) for character in text))
    text = re.sub(r"[^ A-Za-z'.,?!\-]", "", text)
    text = re.sub(r"(?i)\bi\.e\.", "that is", text)
    text = re.sub(r"(?i)\be\.g\.", "for example", text)
    text = re.sub(r"(?<=\S)(?=[A-Z])", " ", text)
    return re.sub(r"([.,?!\- ])[.,?!\-]+", r"\1", text)


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


def _enumeration(match: re.Match[str]) -> str:
    return f"{match[1]}{ordinal(match[2])}, "


def _arithmetic(match: re.Match[str]) -> str:
    return f" {_OPERATORS[match[1]]} "


def _time(match: re.Match[str]) -> str:
    hour, minute, told = int(match[1]), match[2], match[3]
    minutes = " o'clock" if minute == "00" else " " + cardinal(minute)
    half = "" if told else " a.m." if hour < 12 else " p.m."
    return cardinal(str(hour % 12 or 12)) + minutes + half + (told or "")


def _with_unit(match: re.Match[str]) -> str:
    one, many = _UNITS[match[2]]
    return f"{decimal(match[1])} {one if match[1] == '1' else many}"


def _money(match: re.Match[str]) -> str:
    sign, number = (match[1], match[2]) if match[1] else (match[5], match[4])
    one, many, small, smalls = _MONEY[sign]
    scale = match[3] or ""
    whole, _, part = number.partition(".")
    if scale or len(part) > 2:
        return f"{decimal(number)}{scale} {many}"
    cents = part.ljust(2, "0") if part else "00"
    large_words = f"{spoken(whole)} {one if whole == '1' else many}"
    small_words = f"{cardinal(cents)} {small if cents == '01' else smalls}"
    if int(cents) == 0:
        return large_words
    return small_words if int(whole) == 0 else f"{large_words} and {small_words}"


def _compiled_rules() -> list[Rule]:
    written: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"https?://", lambda _: ""),
        (rf"(?<=[A-Za-z0-9])\.(?=(?:{_DOMAINS})\b)", lambda _: " dot "),
        (r"\bwww\.", lambda _: "www dot "),
        (r"(?<=[A-Za-z0-9])@(?=[A-Za-z0-9])", lambda _: " at "),
        (r"(^ ?|, )(\d{1,2})\. ", _enumeration),
        (r"(?<=[\d)]) ([-+*/×÷=]) (?=[\d(])", _arithmetic),
        (r"(?<=\b[A-Za-z]) ([+*×÷=]) (?=[A-Za-z\d]\b)", _arithmetic),
        (r"(?:(?<=^)|(?<= ))-(?=\d)", lambda _: "negative "),
        (r"(?<=\d),(?=\d{3}(?!\d))", lambda _: ""),
        (r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)( ?[aApP]\.?[mM]\b\.?)?(?![\d:])", _time),
        (r"\b(?:(\d{3}0)|(\d0))'?s\b", lambda match: decade(match[1] or match[2])),
        (rf"(?<![A-Za-z\d.])({_NUMBER}) ?({_UNIT_PATTERN})(?![A-Za-z\d/])", _with_unit),
        (rf"([$£€¥])({_NUMBER})( (?:thousand|million|billion|trillion)\b)?|({_NUMBER})([$£€¥])", _money),
        (r"(\d{1,60})(?:st|nd|rd|th)\b", lambda match: ordinal(match[1])),
        (r"(?<![\d/])(\d{1,60})/(\d{1,60})(?![\d/])", lambda match: fraction(match[1], match[2])),
        (r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", lambda _: " "),
        (r"\d{1,60}\.\d{1,60}|(?<!\S)\.\d{1,60}", lambda match: decimal(match[0])),
        (r"\d{1,60}", lambda match: spoken(match[0])),
    ]
    return [(re.compile(pattern, re.ASCII), words) for pattern, words in written]


_RULES = _compiled_rules()
