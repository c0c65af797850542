"""The symbol tables of the public checkpoints: a phone's id is its place in the table.

Version 1 is one code-point sort of pad, Mandarin, Japanese, marks and English (ARPAbet). Version 2 appends the
Japanese pitch marks, the sorted Korean jamo and the sorted Cantonese parts, so that every id of version 1 stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

PAD = "_"
UNKNOWN = "UNK"
COMMA = ","
PAUSE_YEN = "SP2"
PAUSE_CARET = "SP3"
MARKS = ("!", "?", "…", ",", ".", "-")
PITCH_MARKS = ("[", "]")

MANDARIN_INITIALS = (
    *("AA", "EE", "OO"),
    *("b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x"),
    *("zh", "ch", "sh", "r", "z", "c", "s", "y", "w"),
)
"""First phones; AA, EE and OO begin the syllables that are written without an initial."""

MANDARIN_FINALS = (
    *("a", "ai", "an", "ang", "ao", "e", "ei", "en", "eng", "er", "o", "ong", "ou"),
    *("i", "i0", "ir", "ia", "ian", "iang", "iao", "ie", "in", "ing", "iong", "iu"),
    *("u", "ua", "uai", "uan", "uang", "ui", "un", "uo", "v", "van", "ve", "vn"),
    *("E", "En"),
)
"""Second phones: i0 after z c s, ir after zh ch sh r, v for u-umlaut, E and En in ye and yan."""

MANDARIN_TONES = "12345"

_ARPABET_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_ARPABET_CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
_ARPABET_BARE_VOWELS = ("ER", "IH")
ENGLISH = frozenset(
    (*(vowel + stress for vowel in _ARPABET_VOWELS for stress in "012"), *_ARPABET_CONSONANTS, *_ARPABET_BARE_VOWELS)
)
"""ARPAbet phones, vowels with their stress."""

_JAPANESE_VOWELS = ("a", "i", "u", "e", "o", "I", "U")
_JAPANESE_CONSONANTS = (
    *("b", "by", "ch", "cl", "d", "dy", "f", "g", "gy", "h", "hy", "j", "k", "ky", "m", "my", "n", "ny", "N"),
    *("p", "py", "r", "ry", "s", "sh", "t", "ts", "v", "w", "y", "z"),
)

KOREAN_CONSONANTS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
KOREAN_VOWELS = "ㅏㅐㅓㅔㅗㅜㅡㅣ"
KOREAN_STOP, KOREAN_BLANK = "停", "空"

_JYUTPING_INITIALS = (
    *("b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "ng", "h", "gw", "kw", "w", "z", "c", "s", "j"),
)
_JYUTPING_HEADS = ("a", "aa", "ai", "ak", "au", "e", "o", "oi", "ok", "on", "ou", "uk")
"""First phones of the syllables that are written without an initial."""
_JYUTPING_FINALS = (
    *("a", "aa", "aai", "aak", "aam", "aan", "aang", "aap", "aat", "aau"),
    *("ai", "ak", "am", "an", "ang", "ap", "at", "au"),
    *("e", "ei", "ek", "eng", "eoi", "eon", "eot"),
    *("i", "ik", "im", "in", "ing", "ip", "it", "iu"),
    *("o", "oe", "oek", "oeng", "oi", "ok", "on", "ong", "ot", "ou"),
    *("u", "ui", "uk", "un", "ung", "ut", "yu", "yun", "yut"),
)
_JYUTPING_CODAS = ("g", "k", "m", "n", "p", "t")
"""Second phones of the syllables whose first phone already holds the vowel."""
_JYUTPING_TONES = "123456"


def _with_tones(parts: Iterable[str], tones: str) -> list[str]:
    return [part + tone for part in parts for tone in tones]


def _version_1() -> list[str]:
    mandarin = [*MANDARIN_INITIALS, *_with_tones(MANDARIN_FINALS, MANDARIN_TONES)]
    japanese = [*_JAPANESE_VOWELS, *_JAPANESE_CONSONANTS]
    pauses = ["SP", PAUSE_YEN, PAUSE_CARET]
    return sorted({PAD, UNKNOWN, *pauses, *MARKS, *mandarin, *japanese, *ENGLISH})


def _version_2() -> list[str]:
    korean = sorted([*KOREAN_CONSONANTS, *KOREAN_VOWELS, KOREAN_STOP, KOREAN_BLANK])
    toned = _with_tones((*_JYUTPING_FINALS, *_JYUTPING_CODAS), _JYUTPING_TONES)
    cantonese = sorted({f"Y{part}" for part in (*_JYUTPING_INITIALS, *_JYUTPING_HEADS, *toned)})
    return [*_version_1(), *PITCH_MARKS, *korean, *cantonese]


@cache
def symbols(version: str = "v2") -> tuple[str, ...]:
    """Return the ordered table of `version`: v1 (322 symbols) or v2 (732).

    Raises:
        ValueError: there is no such table.
    """
    if version == "v1":
        return tuple(_version_1())
    if version == "v2":
        return tuple(_version_2())
    raise ValueError(f"symbol table {version!r} is unknown; choose v1 or v2")


@cache
def ids_by_symbol(version: str = "v2") -> dict[str, int]:
    """Return symbol -> id of one table; treat it as read-only.

    Raises:
        ValueError: there is no such table.
    """
    return {symbol: number for number, symbol in enumerate(symbols(version))}


def ids_of_phones(phones: Iterable[str], version: str = "v2") -> tuple[int, ...]:
    """Return the ids of `phones`; a phone outside the table gets the id of UNK."""
    table = ids_by_symbol(version)
    unknown = table[UNKNOWN]
    return tuple(table.get(phone, unknown) for phone in phones)
