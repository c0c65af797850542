"""One reader a language: text, the table's version and the user's dictionary to phones. Libraries load on use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from GPT_SoVITS.text.dictionary import Dictionary
from GPT_SoVITS.text.languages import Language

PHONES_A_CHARACTER = 2


class Read(NamedTuple):
    """Normalised text, its phones, and for Mandarin and Cantonese the phones of each of its characters."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None = None


Reader = Callable[[str, str, Dictionary], Read]


def _mandarin(text: str, symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.mandarin.normalise import normalise
    from GPT_SoVITS.text.mandarin.phones import mandarin_phones
    from GPT_SoVITS.text.mandarin.readings import phones_of_syllable

    read = mandarin_phones(text, erhua=symbols != "v1")
    said: dict[int, tuple[str, str]] = {}
    for place, syllable in dictionary.syllables(read.norm_text, Language.ZH, normalise):
        first, second = phones_of_syllable(syllable[:-1])
        said[place] = first, second + syllable[-1]
    return _overridden(Read(read.norm_text, read.phones, read.word2ph), said)


def _cantonese(text: str, _symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.cantonese import cantonese_phones
    from GPT_SoVITS.text.jyutping import phones_of_jyutping

    read = cantonese_phones(text)
    places = dictionary.syllables(read.norm_text, Language.YUE, str)
    said = {place: phones_of_jyutping(syllable) for place, syllable in places}
    return _overridden(Read(read.norm_text, read.phones, read.word2ph), said)


def _overridden(read: Read, said: Mapping[int, tuple[str, str]]) -> Read:
    """Put the user's phones in the places of the characters that have them."""
    if not said or read.word2ph is None:
        return read
    phones = list(read.phones)
    start = 0
    for place, count in enumerate(read.word2ph):
        if place in said and count == PHONES_A_CHARACTER:
            phones[start : start + count] = said[place]
        start += count
    return Read(read.norm_text, tuple(phones), read.word2ph)


def _english(text: str, _symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.english.phones import english_phones

    marked = dictionary.marked(text)
    read = english_phones(marked.text, marked.phones)
    norm_text = read.norm_text
    for made_up, written in marked.words.items():
        norm_text = norm_text.replace(made_up, written)
    return Read(norm_text, read.phones)


def _japanese(text: str, _symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.japanese.phones import japanese_phones

    read = japanese_phones(dictionary.respelled(text, Language.JA))
    return Read(read.norm_text, read.phones)


def _korean(text: str, _symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.korean.phones import korean_phones

    read = korean_phones(dictionary.respelled(text, Language.KO))
    return Read(read.norm_text, read.phones)


READERS: Mapping[Language, Reader] = {
    Language.ZH: _mandarin,
    Language.EN: _english,
    Language.JA: _japanese,
    Language.KO: _korean,
    Language.YUE: _cantonese,
}
