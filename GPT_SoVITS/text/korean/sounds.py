"""Korean spelling to sound: the rules of standard pronunciation on conjoining jamo.

Rule numbers are those of the National Institute of Korean Language, Standard Pronunciation (표준 발음법, 1988). The
table of coda and onset and the list of idioms are data files of g2pk2; the package itself is never imported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from GPT_SoVITS.text.korean.numbers import NATIVE_COUNTERS, bare, counted, digits
from GPT_SoVITS.text.packages import package_file

_VERB_END, _RIEUL_END, _COUNTER_END = "\ue000", "\ue001", "\ue002"
"""Private characters behind a syllable that ends a verb stem, an ending in ㄹ, a counter."""
_MARKERS = re.compile(f"[{_VERB_END}{_RIEUL_END}{_COUNTER_END}]")
_STEM_CODAS = frozenset("ᆫᆬᆷᆱᆰᆲᆴ")
_COUNTED = re.compile(rf"(?<![\d.])(\d[\d,]*)([가-힣]+?){_COUNTER_END}")
_CODE = re.compile(r"\d+(?:[.:\-/]\d+)+")
_BARE = re.compile(r"\d+(?:,\d{3})+(?!\d)|\d+")
_CHUNK = re.compile(r"[^\n]{1,400}(?:(?<=\s)|$)|[^\n]{1,400}|\n")
_TENSE = dict(zip("ᄀᄃᄇᄉᄌ", "ᄁᄄᄈᄊᄍ", strict=True))
_JUNCTION = re.compile(r"([ᆨ-ᇂ])(?:( ?)([ᄀ-ᄊᄌ-ᄒ])|(\W)|$)")
_LINKED = {
    **dict(zip("ᆨᆩᆫᆮᆯᆷᆸᆺᆻᆽᆾᆿᇀᇁ", "ᄀᄁᄂᄃᄅᄆᄇᄉᄊᄌᄎᄏᄐᄑ", strict=True)),
    "ᆪ": "ᆨᄊ",
    "ᆬ": "ᆫᄌ",
    "ᆰ": "ᆯᄀ",
    "ᆱ": "ᆯᄆ",
    "ᆲ": "ᆯᄇ",
    "ᆳ": "ᆯᄊ",
    "ᆴ": "ᆯᄐ",
    "ᆵ": "ᆯᄑ",
    "ᆹ": "ᆸᄊ",
    "ᇂ": "ᄋ",
    "ᆭ": "ᄂ",
    "ᆶ": "ᄅ",
}
"""Rules 12.4 to 14: what a coda before a silent onset becomes."""

_FUTURE = ["걸", "밖에", "세라", "수록", "지라도", "지언정", "진대"]
"""Endings whose first consonant is tense after ㄹ (rule 27)."""
_loading = Lock()

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def sounds(text: str) -> str:
    """Return `text` as it sounds: syllables and digits as conjoining jamo, all other characters unchanged."""
    return "".join(_sounds(chunk) for chunk in _CHUNK.findall(text))


def _sounds(text: str) -> str:
    pattern, said = _idioms()
    text = pattern.sub(lambda match: said[match[0]], text)
    text = unicodedata.normalize("NFD", _numbers(_annotated(text)))
    for rule, replacement in _RULES:
        text = rule.sub(replacement, text)
    text = _JUNCTION.sub(lambda m: _junction(m[1], m[2] or m[4] or "", m[3] or ""), _MARKERS.sub("", text))
    return _LINK.sub(lambda match: _LINKED[match[1]], text)


def _annotated(text: str) -> str:
    """Mark the last syllables of verb stems, of endings in ㄹ and of counters: the rules depend on them."""
    with _loading:
        words = _tagger().pos(text)
    marked: list[str] = []
    place = 0
    for word, tags in words:
        end = text.find(word, place) + len(word)
        counting = tags.startswith("N") and word in NATIVE_COUNTERS and _follows_digit(text, end - len(word))
        marked += [text[place:end], _COUNTER_END if counting else _marker(text[end - 1], tags.rpartition("+")[2])]
        place = end
    return "".join([*marked, text[place:]])


def _follows_digit(text: str, place: int) -> bool:
    return place > 0 and text[place - 1].isdigit()


def _marker(syllable: str, tag: str) -> str:
    if tag == "NNBC":
        return _COUNTER_END
    coda = unicodedata.normalize("NFD", syllable)[-1]
    if tag.startswith("V") and coda in _STEM_CODAS:
        return _VERB_END
    return _RIEUL_END if tag.startswith("E") and coda == "ᆯ" else ""


def _numbers(text: str) -> str:
    text = _COUNTED.sub(lambda match: counted(match[1], match[2]) + match[2], text)
    text = _CODE.sub(lambda match: re.sub(r"\d+", lambda part: digits(part[0]), match[0]), text)
    return _BARE.sub(lambda match: bare(match[0]), text)


def _rule(pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> Rule:
    said = unicodedata.normalize("NFD", replacement) if isinstance(replacement, str) else replacement
    return re.compile(unicodedata.normalize("NFD", pattern)), said


def _tense(match: re.Match[str]) -> str:
    return match[1] + _TENSE[match[2]]


_FUTURE_PATTERN = "|".join(unicodedata.normalize("NFD", ending)[1:] for ending in _FUTURE)
_RULES: tuple[Rule, ...] = (
    _rule("(?<=[ᄌᄍᄎ])ᅧ", "ᅥ"),  # 5: 져 쪄 쳐
    _rule("(?<=[ᄀ-ᄊᄌ-ᄒ])ᅴ", "ᅵ"),  # 5: ㅢ after a consonant
    _rule("귿ᄋ", "그ᄉ"),  # 16: the names of letters; so to ᄇ below
    _rule("(?<=으)[ᆽᆾᇀᇂ]ᄋ", "ᄉ"),
    _rule("늦ᄋ", "느ᄉ"),  # not in the standard, but the strict reference sounds 늦- so
    _rule("읔ᄋ", "으ᄀ"),
    _rule("읖ᄋ", "으ᄇ"),
    _rule(f"ᆰ{_VERB_END}[ᄀᄁ]", "ᆯᄁ"),  # 11: 맑게
    _rule(f"([ᆲᆴ]){_VERB_END}([ᄀᄃᄉᄌ])", _tense),  # 25: 넓게
    _rule(f"([ᆫᆷ]){_VERB_END}([ᄀᄃᄉᄌ])", _tense),  # 24: 신고
    _rule(f"ᆬ{_VERB_END}([ᄀᄃᄉᄌ])", lambda match: "ᆫ" + _TENSE[match[1]]),
    _rule(f"ᆱ{_VERB_END}([ᄀᄃᄉᄌ])", lambda match: "ᆷ" + _TENSE[match[1]]),
    _rule("(?<=바)ᆲ(?![ᄋᄒ])", "ᆸ"),  # 10: 밟다
    _rule("(?<=너)ᆲ(?=[ᄌᄍᄃᄄ]ᅮ)", "ᆸ"),  # 10: 넓죽하다
    _rule("ᆮᄋ(?=[ᅵᅧ])", "ᄌ"),  # 17: 굳이
    _rule("ᇀᄋ(?=[ᅵᅧ])", "ᄎ"),  # 17: 같이
    _rule("ᆴᄋ(?=[ᅵᅧ])", "ᆯᄎ"),  # 17: 핥이다
    _rule("ᆮᄒ(?=ᅵ)", "ᄎ"),  # 17: 굳히다
    _rule(f"(ᆯ{_RIEUL_END} )([ᄀᄃᄇᄉᄌ])", _tense),  # 27: 할 것을
    _rule(f"(ᆯ)([ᄀᄇᄉᄌ])(?={_FUTURE_PATTERN})", _tense),
)
_LINK = re.compile(f"([{''.join(_LINKED)}])ᄋ")


@lru_cache(maxsize=8192)
def _junction(coda: str, gap: str, onset: str) -> str:
    """Return a coda, what is between and the next onset as they sound together; one line of the table at a time."""
    text = coda + gap + onset
    for pattern, replacement in _table():
        text = pattern.sub(replacement, text)
    return text


@cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    lines = package_file("g2pk2", "table.csv").read_text(encoding="utf-8-sig").splitlines()
    onsets = lines[0].split(",")[1:]
    rules = []
    for line in lines[1:]:
        coda, *cells = line.split(",")
        pairs = zip(onsets, cells, strict=True)
        rules += [(re.compile(coda + onset), cell.partition("(")[0]) for onset, cell in pairs if cell]
    return tuple(rules)


@cache
def _idioms() -> tuple[re.Pattern[str], dict[str, str]]:
    """Words that sound otherwise than the rules say; those that begin with a digit do not begin inside a number."""
    lines = package_file("g2pk2", "idioms.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("#")[0].strip().split("===") for line in lines)
    said = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    written = ((r"(?<![\d.,])" if word[0].isdigit() else "") + re.escape(word) for word in said)
    return re.compile("|".join(written)), said


@cache
def _tagger() -> Any:
    import mecab

    return mecab.MeCab()
