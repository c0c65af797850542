"""English text to phones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from GPT_SoVITS.text.english.dictionary import pronunciation
from GPT_SoVITS.text.english.guess import guessed_phones, known_parts
from GPT_SoVITS.text.english.homographs import homograph_phones
from GPT_SoVITS.text.english.normalise import normalise
from GPT_SoVITS.text.symbols import COMMA, ids_by_symbol

_TOKEN = re.compile(r"[A-Za-z][A-Za-z'\-]*[A-Za-z]|[A-Za-z]|[^A-Za-z ]")
_LONGEST_SPELLED = 3
_LONGEST_WORD = 40
_FEWEST_PHONES = 4
_HISSING = {"S", "Z", "SH", "ZH", "CH", "JH"}
_VOICELESS = {"P", "T", "K", "F", "TH", "HH"}


@dataclass(frozen=True, slots=True)
class EnglishText:
    """Normalised text with its phones."""

    norm_text: str
    phones: tuple[str, ...]


def english_phones(text: str, words: Mapping[str, tuple[str, ...]] | None = None) -> EnglishText:
    """Return the phones of `text` read as English; fewer than four get a comma in front, as checkpoints expect.

    `words` (lower case) has phones that win over all others.
    """
    norm_text = normalise(text)
    tokens = _TOKEN.findall(norm_text)
    lowered = [token.lower() for token in tokens]
    known = ids_by_symbol("v1")
    own = words or {}
    phones: list[str] = []
    for index, token in enumerate(tokens):
        said = _own_phones(lowered[index], own) or _token_phones(token, lowered, index)
        phones += [phone for phone in ("-" if phone == "'" else phone for phone in said) if phone in known]
    if len(phones) < _FEWEST_PHONES:
        phones.insert(0, COMMA)
    return EnglishText(norm_text, tuple(phones))


def _own_phones(word: str, own: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Phones of a word that the user has a reading for, alone, as a possessor or joined by hyphens; else none."""
    if word in own:
        return list(own[word])
    if word.endswith("'s") and word[:-2] in own:
        return _possessive(list(own[word[:-2]]))
    parts = word.split("-") if own else []
    if not any(part in own for part in parts):
        return []
    return [phone for part in parts for phone in (own[part] if part in own else _word_phones(part))]


def _token_phones(token: str, lowered: list[str], index: int) -> list[str]:
    if not token[0].isalpha():
        return [token]
    if len(token) == 1:
        return _letter(token)
    said = homograph_phones(lowered, index)
    return list(said) if said else _word_phones(lowered[index])


def _letter(letter: str) -> list[str]:
    return ["EY1"] if letter == "A" else list(pronunciation(letter.lower()) or [])


def _spelled(word: str) -> list[str]:
    return [phone for letter in word if letter.isalpha() for phone in _letter(letter.upper())]


def _word_phones(word: str) -> list[str]:
    """Phones of a lower-case word: the dictionary, else spelled, a possessive, joined parts, or guessed."""
    entry = pronunciation(word)
    if entry is not None:
        return entry
    if len(word) <= _LONGEST_SPELLED:
        return _spelled(word)
    if word.endswith("'s"):
        return _possessive(_word_phones(word[:-2]))
    parts = [part for part in re.split("['-]+", word) if part]
    if len(parts) == 1 or not all(len(part) == 1 or pronunciation(part) for part in parts):
        parts = _segmented("".join(parts))
    if len(parts) == 1:
        return list(guessed_phones(parts[0]))
    return [phone for part in parts for phone in _word_phones(part)]


def _segmented(word: str) -> list[str]:
    """Parts of an unknown word; a word of endless length is cut up first so that time stays linear."""
    pieces = [word[start : start + _LONGEST_WORD] for start in range(0, len(word), _LONGEST_WORD)]
    return list(known_parts(word)) if len(pieces) == 1 else pieces


def _possessive(stem: list[str]) -> list[str]:
    last = stem[-1] if stem else ""
    if last in _HISSING:
        return [*stem, "AH0", "Z"]
    return [*stem, "S" if last in _VOICELESS else "Z"]
