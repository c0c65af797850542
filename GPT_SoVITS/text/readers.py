"""One reader a language: text, the table's version and the user's dictionary to phones. Libraries load on use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from GPT_SoVITS.text.dictionary import Dictionary
from GPT_SoVITS.text.languages import Language


class Read(NamedTuple):
    """Normalised text, its phones, and for Mandarin and Cantonese the phones of each of its characters."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None = None


Reader = Callable[[str, str, Dictionary], Read]


def _mandarin(text: str, symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.mandarin.phones import mandarin_phones

    read = mandarin_phones(text, erhua=symbols != "v1", own_readings=dictionary.readings(Language.ZH))
    return Read(read.norm_text, read.phones, read.word2ph)


def _cantonese(text: str, _symbols: str, dictionary: Dictionary) -> Read:
    from GPT_SoVITS.text.cantonese import cantonese_phones

    read = cantonese_phones(text, own_readings=dictionary.readings(Language.YUE))
    return Read(read.norm_text, read.phones, read.word2ph)


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
