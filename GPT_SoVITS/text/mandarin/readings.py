"""Readings of Chinese characters in a word (pypinyin) and the phones of a pinyin syllable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock

from GPT_SoVITS.text.symbols import MANDARIN_FINALS, MANDARIN_INITIALS

Polyphones = Callable[[str], Mapping[int, str]]
"""Takes a run of Chinese characters and returns place -> pinyin with its tone digit for those that it decides about."""

_loading = Lock()
_INITIALS_LONGEST_FIRST = sorted((i for i in MANDARIN_INITIALS if i.islower()), key=len, reverse=True)
_ZERO_INITIALS = {"a": "AA", "e": "EE", "o": "OO"}
_SPECIAL_Y_FINALS = {"an": "En", "e": "E"}
_SYLLABIC_CONSONANTS = {"n": "en", "ng": "en", "m": "mu", "hm": "heng", "hng": "heng", "ê": "ei"}
NEUTRAL = 5


@dataclass(frozen=True, slots=True)
class Syllable:
    """A pinyin syllable without its tone (v for u-umlaut) and the tone, 1 to 5."""

    spelling: str
    tone: int


@lru_cache(maxsize=50_000)
def readings(word: str) -> tuple[Syllable, ...]:
    """Return one syllable a character of `word`; a character that nobody can read becomes a neutral e."""
    with _loading:
        from pypinyin import Style, lazy_pinyin

        spelled = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True)
        if len(spelled) != len(word):
            spelled = [lazy_pinyin(c, style=Style.TONE3, neutral_tone_with_five=True)[0] for c in word]
    return tuple(syllable_of(text) for text in spelled)


@lru_cache(maxsize=20_000)
def all_readings(character: str) -> frozenset[str]:
    """Return every reading that pypinyin's table of single characters has, as pinyin with its tone digit."""
    with _loading:
        from pypinyin import Style, pinyin

        return frozenset(pinyin(character, style=Style.TONE3, heteronym=True, neutral_tone_with_five=True)[0])


def has_reading(character: str) -> bool:
    """Tell whether `character` has a reading in pypinyin's table of single characters."""
    from pypinyin.pinyin_dict import pinyin_dict

    return ord(character) in pinyin_dict


def is_phrase(word: str) -> bool:
    """Tell whether `word` is in pypinyin's dictionary of phrases, which says how it is read as a whole."""
    from pypinyin.phrases_dict import phrases_dict

    return word in phrases_dict


def phones_of_pinyin(syllable: Syllable) -> tuple[str, str]:
    """Return the two phones of `syllable`, the second with its tone."""
    first, second = phones_of_syllable(syllable.spelling)
    return first, f"{second}{syllable.tone}"


@cache
def phones_of_syllable(spelling: str) -> tuple[str, str]:
    """Return the two phones of a pinyin syllable, the second without its tone.

    The halves are those of the public tables: zero-initial syllables begin with AA, EE or OO, y and w are initials,
    the vowel of zi ci si is i0 and that of zhi chi shi ri is ir, v is u-umlaut (also behind j q x y).
    """
    spelling = _SYLLABIC_CONSONANTS.get(spelling, spelling)
    initial = next((i for i in _INITIALS_LONGEST_FIRST if spelling.startswith(i)), "")
    final = spelling[len(initial) :]
    if not initial:
        return _ZERO_INITIALS.get(final[:1], "EE"), _known_final(final)
    if initial in ("j", "q", "x", "y") and final.startswith("u"):
        final = "v" + final[1:]
    elif initial == "y":
        final = _SPECIAL_Y_FINALS.get(final, final)
    elif final == "i" and initial in ("z", "c", "s"):
        final = "i0"
    elif final == "i" and initial in ("zh", "ch", "sh", "r"):
        final = "ir"
    return initial, _known_final(final)


def _known_final(final: str) -> str:
    return final if final in MANDARIN_FINALS else "e"


def syllable_of(pinyin: str) -> Syllable:
    """Return the syllable written as `pinyin` with its tone digit (zhong4); no digit is the neutral tone."""
    if pinyin and pinyin[-1].isdigit():
        return Syllable(pinyin[:-1], int(pinyin[-1]) or NEUTRAL)
    return Syllable(pinyin, NEUTRAL)
