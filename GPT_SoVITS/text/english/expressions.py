"""English expressions that are not read as they are written: addresses, dates, telephone and Roman numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from GPT_SoVITS.text.english.numbers import cardinal, digits, fraction, ordinal, spoken

_MONTHS = str.split("January February March April May June July August September October November December")
_SHORT_MONTHS = {month[:3]: month for month in _MONTHS} | {"Sept": "September"}
_ABBREVIATIONS = {
    "approx.": "approximately",
    "dept.": "department",
    "govt.": "government",
    "w/o": "without",
    "w/": "with",
}
_SPOKEN_SIGNS = {".": " dot ", "/": " slash ", "-": " dash ", "_": " underscore ", "@": " at ", ":": " colon "}
_SPOKEN_SIGNS |= {"?": " question mark ", "=": " equals ", "&": " and ", "#": " hash ", "+": " plus ", "~": " tilde "}
_TITLES = {"Dr": "Doctor", "Mr": "Mr", "Mrs": "Mrs", "Ms": "Ms", "Prof": "Professor"}
_STREETS = {"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road"}
_DAYS = {"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday"}
_DAYS |= {"Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"}
_DAY = "|".join(sorted(_DAYS, key=len, reverse=True))
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50}
_COUNTED = (
    "World War|War|Chapter|Part|Volume|Book|Act|Scene|Section|Phase|Type|Class|Level|Season|Episode|Article|Appendix|"
    "Stage|Mark|Title|Super Bowl|Final Fantasy|Rocky|Grade|Unit|Step|Figure|Table"
)
_NUMBERED_NAMES = (
    "Henry|Elizabeth|Louis|George|Charles|Edward|Richard|William|James|Philip|Paul|Pius|Benedict|John|Nicholas|"
    "Alexander|Catherine|Frederick|Napoleon|Leopold|Gregory|Ivan|Peter|Innocent|Leo|Urban|Clement|Francis|Robert|"
    "Mary|Margaret|Haakon|Gustav|Carl|Christian|Harald|Olaf|Wilhelm|Franz|Joseph|Ferdinand|Alfonso|Ramses|Xerxes"
)
_SLASHED = {"24/7": "twenty-four seven", "9/11": "nine eleven", "and/or": "and or", "50/50": "fifty-fifty"}
_POWERS = {"²": " squared", "³": " cubed"}

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def written_out(text: str) -> str:
    """Return `text` with these expressions in words; all other numbers and signs are left for the next rules."""
    text = re.sub("[™®©]", "", text)
    for pattern, words in _RULES[:_PLAIN_AFTER]:
        text = pattern.sub(words, text)
    text = unicodedata.normalize("NFKC", text)
    for pattern, words in _RULES[_PLAIN_AFTER:]:
        text = pattern.sub(words, text)
    return text


def _vulgar_fraction(match: re.Match[str]) -> str:
    whole, sign = match[1], unicodedata.normalize("NFKC", match[2])
    numerator, _, denominator = sign.partition("\u2044")
    part = {"4": "quarter" if numerator == "1" else "quarters"}.get(denominator)
    words = f"{cardinal(numerator)} {part}" if part else fraction(numerator, denominator)
    if not whole:
        return words
    return f"{spoken(whole)} and {'a' + words.removeprefix('one') if numerator == '1' else words}"


def _address(match: re.Match[str]) -> str:
    address = re.sub(r"^https?://", "", match[0]).rstrip("/")
    said = "".join(_SPOKEN_SIGNS.get(character, character) for character in address)
    return re.sub(r"\d+", lambda number: f" {digits(number[0])} ", said)


def _telephone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    return ("plus " if match[0].startswith("+") else "") + ", ".join(digits(group) for group in groups)


def _date(year: str, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{_MONTHS[int(month) - 1]} {ordinal(str(int(day)))}, {spoken(year)}"


def _year_first(match: re.Match[str]) -> str:
    return _date(match[1], match[2], match[3]) or match[0]


def _year_last(match: re.Match[str]) -> str:
    """Month first, as in America, unless only day first makes a date."""
    return _date(match[3], match[1], match[2]) or _date(match[3], match[2], match[1]) or match[0]


def _roman(numeral: str) -> int:
    values = [_ROMAN[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _duration(match: re.Match[str]) -> str:
    names = ("hour", "minute", "second")
    values = [int(value) for value in match.groups()]
    parts = [f"{cardinal(str(v))} {name}{'' if v == 1 else 's'}" for v, name in zip(values, names, strict=True) if v]
    return " ".join(parts) or "zero seconds"


def _range(match: re.Match[str]) -> str:
    first, sign, last = match[1], match[2], match[3]
    rising = len(first) <= len(last) and int(first) < int(last)
    return f"{first} to {last}" if rising or sign == "–" else match[0]


def _acronym(match: re.Match[str]) -> str:
    return " ".join(letter for letter in match[0] if letter.isalpha()) + ("." if match[0].endswith(". ") else "")


def _half_day(match: re.Match[str]) -> str:
    return f"{match[1]} {match[2].lower()}.m."


_EARLY: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (r"(\d{0,60}) ?([¼½¾⅐-⅞])", _vulgar_fraction),
    (r"(?<=[A-Za-z)])([²³])(?!\w)", lambda match: _POWERS[match[1]]),
]
_PLAIN_AFTER = len(_EARLY)
_LATE: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (r"\b[\w.+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{2,63})+", _address),
    (r"\b(?:https?://|www\.)[A-Za-z0-9](?:[^\s,!?\"'<>()\[\]{}]|\?(?=\w)){0,300}[A-Za-z0-9/]", _address),
    (r"(?<!\w)@(?=\w)", lambda _: "at "),
    (r"(?<!\w)#(?=\d)", lambda _: "number "),
    (r"(?<!\w)#(?=[A-Za-z])", lambda _: "hashtag "),
    (r"\b([A-G])#(?!\w)", lambda match: f"{match[1]} sharp"),
    (r"\bC\+\+", lambda _: "C plus plus"),
    (r"(?<= )\.(?=[A-Z]{2})", lambda _: "dot "),
    (r"(?<!\w)(?:24/7|9/11|50/50|and/or)(?!\w)", lambda match: _SLASHED[match[0]]),
    (r"(?<!\w)(?:approx\.|dept\.|govt\.|w/o|w/)(?= ?\w)", lambda match: _ABBREVIATIONS[match[0]] + " "),
    (r"\bSt\. (?=[A-Z])", lambda _: "Saint "),
    (rf"\b({'|'.join(_TITLES)})\. ?(?=[A-Z])", lambda match: f"{_TITLES[match[1]]} "),
    (r"(?<=[a-z] )(Ave|Blvd|Rd)\.(?=\W|$)", lambda match: _STREETS[match[1]]),
    (rf"\b({_DAY})\.? ?[-–] ?({_DAY})\b\.?", lambda match: f"{_DAYS[match[1]]} to {_DAYS[match[2]]}"),
    (r"\b([AaPp])\.?[Mm]\.? ?(\d{1,2}:\d{2})(?!\d)", lambda match: f"{match[2]} {match[1].lower()}.m."),
    (r"(\d ?[aApP]\.?[mM]\.?) ?[-–] ?(?=\d)", lambda match: f"{match[1]} to "),
    (r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\. ?(?=\d)", lambda match: _SHORT_MONTHS[match[1]] + " "),
    (r"(?<![\d\-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\d\-])", _year_first),
    (r"(?<![\d/])(\d{4})/(\d{1,2})/(\d{1,2})(?![\d/])", _year_first),
    (r"(?<![\d/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\d/])", _year_last),
    (r"(?<![\w\-])(?:\+?\d{1,3}[ .\-])?(?:\(\d{3}\) ?|\d{3}[ .\-])\d{3}[.\-]\d{4}(?![\w\-])", _telephone),
    (r"(?<![\w\-])\+\d{1,3}(?: \d{2,4}){2,4}(?![\w\-])", _telephone),
    (r"(?<![\w\-.])\d{3}-\d{4}(?![\w\-])", _telephone),
    (r"(?<![\d:])(\d{1,2}):([0-5]\d):([0-5]\d)(?![\d:])", _duration),
    (r"(\d{1,2}(?::\d{2})?) ?([aApP])\.?[mM]\b\.?(?!\w)", _half_day),
    (r"(?<![\w'])(\d)'(?:(\d{1,2})\")", lambda match: f"{match[1]} feet {match[2]}"),
    (r"(?<=\d) ?[x×] ?(?=\d)", lambda _: " by "),
    (r"(?<![\w.,\-])(\d{1,60}) ?([\-–]) ?(\d{1,60})(?![\d.,\-]*\d)", _range),
    (r"(?<!\w)[~≈](?=\$?\d)", lambda _: "about "),
    (rf"\b({_COUNTED}) ([IVXL]{{1,7}})\b", lambda match: f"{match[1]} {cardinal(str(_roman(match[2])))}"),
    (
        rf"\b({_NUMBERED_NAMES}) ([IVX]{{1,6}})(?=[ .,!?;:']|$)(?! [a-z']*(?:'m|am|was|have|will|would|can|do)\b)",
        lambda match: f"{match[1]} the {ordinal(str(_roman(match[2])))}",
    ),
    (r"\b([A-Z][a-z]+) ((?:XI|XX|VI|I|XV)I{1,2}|I[VX]|X[IVX])\b", lambda m: f"{m[1]} {cardinal(str(_roman(m[2])))}"),
    (r"\b([A-Z]{2,6})s\b", lambda match: f"{match[1]}'s"),
    (r"(?i)\bi\.e\.", lambda _: "that is"),
    (r"(?i)\be\.g\.", lambda _: "for example"),
    (r"\b(?:[A-Z]\.){2,}(?: (?=[A-Z])|$)?|\b(?:Ph|[BM]Sc|[BM]\.Sc)\.(?:D\.)?", _acronym),
    (r"\ba\.k\.a\.", lambda _: "A K A"),
]
_RULES: tuple[Rule, ...] = tuple((re.compile(pattern), words) for pattern, words in (*_EARLY, *_LATE))
