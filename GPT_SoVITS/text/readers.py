"""One reader a language: text, the table's version and the user's dictionary to phones. Libraries load on use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from GPT_SoVITS.text.dictionary import Dictionary
from GPT_SoVITS.text.languages import Language
from GPT_SoVITS.text.mandarin.readings import Polyphones


class Read(NamedTuple):
    """Normalised text, its phones, and for Mandarin and Cantonese the phones of each of its characters."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None = None


class Reader(Protocol):
    """Reads text of one language."""

    def __call__(
        self, text: str, symbols: str, dictionary: Dictionary, polyphones: Polyphones | None = None, /
    ) -> Read:
        """Return the phones of `text` for a table's version, with the user's dictionary and perhaps a model."""


def _mandarin(text: str, symbols: str, dictionary: Dictionary, polyphones: Polyphones | None = None) -> Read:
    from GPT_SoVITS.text.mandarin.phones import mandarin_phones

    own = dictionary.readings(Language.ZH)
    read = mandarin_phones(text, erhua=symbols != "v1", own_readings=own, polyphones=polyphones)
    return Read(read.norm_text, read.phones, read.word2ph)


def _cantonese(text: str, _symbols: str, dictionary: Dictionary, _polyphones: Polyphones | None = None) -> Read:
    from GPT_SoVITS.text.cantonese import cantonese_phones

    read = cantonese_phones(text, own_readings=dictionary.readings(Language.YUE))
    return Read(read.norm_text, read.phones, read.word2ph)


def _english(text: str, _symbols: str, dictionary: Dictionary, _polyphones: Polyphones | None = None) -> Read:
    from GPT_SoVITS.text.english.phones import english_phones

    marked = dictionary.marked(text)
    read = english_phones(marked.text, marked.phones)
    norm_text = read.norm_text
    for made_up, written in marked.words.items():
        norm_text = norm_text.replace(made_up, written)
    return Read(norm_text, read.phones)


def _japanese(text: str, _symbols: str, dictionary: Dictionary, _polyphones: Polyphones | None = None) -> Read:
    from GPT_SoVITS.text.japanese.phones import japanese_phones

    read = japanese_phones(dictionary.respelled(text, Language.JA))
    return Read(read.norm_text, read.phones)


def _korean(text: str, _symbols: str, dictionary: Dictionary, _polyphones: Polyphones | None = None) -> Read:
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
