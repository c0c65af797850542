"""The user's dictionary: words with the readings that they shall have, instead of what the front-end would say.

A file holds one word a line, `word<TAB>language<TAB>reading`: pinyin with tone digits (zh), ARPAbet (en), kana (ja),
Hangul as it sounds (ko) or jyutping (yue). Empty lines and lines that begin with # are left out. This module is
light: the daemon reads dictionaries, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.languages import Language, language_of_list
from GPT_SoVITS.text.symbols import ENGLISH

LONGEST_WORD = 100
MOST_WORDS = 10_000

_HAN = re.compile(r"[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_PINYIN = re.compile(
    r"(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?"
    r"(?:a|ai|an|ang|ao|e|ei|en|eng|er|o|ong|ou|i|ia|ian|iang|iao|ie|in|ing|iong|iu"
    r"|u|ua|uai|uan|uang|ue|ui|un|uo|v|van|ve|vn)|m|n|ng|hm|hng)[1-5]"
)
_JYUTPING = re.compile(
    r"(?:(?:ng|gw|kw|[bpmfdtnlgkhwzcsj])?(?:aa?(?:i|u|m|n|ng|p|t|k)?|aa|eo(?:i|n|t)|oe(?:ng|k|t)?"
    r"|e(?:i|u|m|ng|p|t|k)?|i(?:u|m|n|ng|p|t|k)?|o(?:i|u|n|ng|t|k)?|u(?:i|n|ng|t|k)?|yu(?:n|t)?)|m|ng)[1-6]"
)
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_HANGUL = re.compile(r"[\uac00-\ud7a3 ]+")
_EXPECTED = {
    Language.ZH: "one pinyin syllable with its tone digit (1 to 5) for each character, such as chong2 qing4",
    Language.EN: "ARPAbet phones with stress digits, such as S ER1 SH AH0",
    Language.JA: "kana, such as コトノハ",
    Language.KO: "Hangul as it sounds, such as 조은",
    Language.YUE: "one jyutping syllable with its tone digit (1 to 6) for each character, such as hoeng1 gong2",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One word of a dictionary, as it was written."""

    word: str
    language: str
    reading: str


@dataclass(frozen=True, slots=True)
class DictionaryFile:
    """What a dictionary file holds: its readings in order, and one sentence for each line that cannot be used."""

    readings: tuple[Reading, ...]
    problems: tuple[str, ...]


def parse(text: str, name: str) -> DictionaryFile:
    """Read a dictionary; `name` is what the sentences about bad lines call the file."""
    readings: list[Reading] = []
    problems: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        if len(readings) == MOST_WORDS:
            problems.append(f"{name} line {number}: a dictionary may hold {MOST_WORDS} words; the rest is not read")
            break
        try:
            readings.append(_reading(line))
        except TextError as error:
            problems.append(f"{name} line {number}: {error}")
    return DictionaryFile(tuple(readings), tuple(problems))


def occurring(readings: Iterable[Reading], text: str) -> list[Reading]:
    """Return the readings whose word occurs in `text`, whatever its case."""
    folded = _folded(text)
    return [reading for reading in readings if _folded(reading.word) in folded]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _reading(line: str) -> Reading:
    fields = [" ".join(unicodedata.normalize("NFC", field).split()) for field in line.split("\t")]
    if len(fields) != 3 or not all(fields):
        raise TextError("write word, language and reading with one tab between them")
    word, written, reading = fields
    if len(word) > LONGEST_WORD:
        raise TextError(f"the word has {len(word)} characters; {LONGEST_WORD} are the most")
    language = language_of_list(written)
    if language in (Language.ZH, Language.YUE) and not _HAN.fullmatch(word):
        raise TextError(f"{word!r} is not written in Chinese characters alone; a word with letters belongs to en")
    if not any(character.isalnum() for character in word):
        raise TextError(f"{word!r} has no letter or digit")
    reading = reading.lower().replace("u:", "v").replace("ü", "v") if language is Language.ZH else reading
    if not _is_valid(language, word, reading.upper() if language is Language.EN else reading):
        raise TextError(f"{reading!r} is no reading of {word!r} in {language}; write {_EXPECTED[language]}")
    return Reading(word, language.value, reading.upper() if language is Language.EN else reading)


def _is_valid(language: Language, word: str, reading: str) -> bool:
    parts = reading.split()
    match language:
        case Language.ZH:
            return len(parts) == len(word) and all(_PINYIN.fullmatch(part) for part in parts)
        case Language.YUE:
            return len(parts) == len(word) and all(_JYUTPING.fullmatch(part) for part in parts)
        case Language.EN:
            return all(part in ENGLISH for part in parts)
        case Language.JA:
            return _KANA.fullmatch(reading) is not None
        case Language.KO:
            return _HANGUL.fullmatch(reading) is not None


@dataclass(frozen=True, slots=True)
class Marked:
    """English text in which each dictionary word stands as a made-up word of plain letters."""

    text: str
    words: Mapping[str, str]
    """made-up word -> the word as it was written"""
    phones: Mapping[str, tuple[str, ...]]
    """made-up word -> its phones"""


class Dictionary:
    """Readings by language, ready to be looked up; of two readings of a word the later one counts."""

    def __init__(self, readings: Sequence[Reading] = ()) -> None:
        self._readings: dict[Language, dict[str, str]] = {}
        for each in readings:
            self._readings.setdefault(Language(each.language), {})[each.word.casefold()] = each.reading
        self._patterns = {language: _pattern(language, words) for language, words in self._readings.items()}

    def respelled(self, text: str, language: Language) -> str:
        """Return `text` with the words of a language replaced by their readings: for Japanese and Korean."""
        if language not in self._patterns:
            return text
        words = self._readings[language]
        return self._patterns[language].sub(lambda match: words[match[0].casefold()], text)

    def marked(self, text: str) -> Marked:
        """Return English text with the words of the dictionary as made-up words that normalising leaves alone."""
        if Language.EN not in self._patterns:
            return Marked(text, {}, {})
        readings = self._readings[Language.EN]
        written: dict[str, str] = {}
        phones: dict[str, tuple[str, ...]] = {}

        def mark(match: re.Match[str]) -> str:
            word = f"zq{''.join(chr(ord('b') + int(digit)) for digit in str(len(written)))}qz"
            written[word] = match[0]
            phones[word] = tuple(readings[match[0].casefold()].split())
            return word

        return Marked(self._patterns[Language.EN].sub(mark, text), written, phones)

    def readings(self, language: Language) -> Mapping[str, str]:
        """Return word -> reading of one language."""
        return self._readings.get(language, {})


EMPTY = Dictionary()


@lru_cache(maxsize=64)
def dictionary_of(readings: tuple[Reading, ...]) -> Dictionary:
    """Return the dictionary of these readings, made once."""
    return Dictionary(readings) if readings else EMPTY


def _pattern(language: Language, words: Iterable[str]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    if language is Language.EN:
        return re.compile(rf"(?<![^\W_])(?:{longest_first})(?![^\W_])", re.IGNORECASE)
    return re.compile(longest_first, re.IGNORECASE)
