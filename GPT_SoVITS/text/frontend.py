"""Text to phones: divide by language, clean each piece in its language, number the phones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.languages import Language, Mode, mode_of
from GPT_SoVITS.text.segmentation import Piece, segments
from GPT_SoVITS.text.symbols import COMMA, MARKS, UNKNOWN, ids_of_phones

_FEWEST_IDS = 6
_SILENT = {*MARKS, UNKNOWN, "_"}
_NOT_TEXT = {"Cc", "Cf", "Cs", "Co", "Cn"}
_NAMES = {Language.KO: "Korean", Language.YUE: "Cantonese"}


@dataclass(frozen=True, slots=True)
class Phones:
    """One piece of text in one language: phones, their ids, and for Chinese the phones of each written character."""

    ids: tuple[int, ...]
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    norm_text: str
    language: str


def phones_of(text: str, language: str, *, symbols: str = "v2") -> list[Phones]:
    """Return the pieces of `text` with their phones.

    Args:
        text: any text; control characters and lone surrogates are left out.
        language: a mode (all_zh, en, auto ...) or any other name of one.
        symbols: the table that numbers the phones, v1 or v2.

    Raises:
        TextError: nothing in the text can be spoken, or the language is unknown or not supported.
    """
    mode = _mode(language)
    cleaned = _clean(text)
    spoken = _pieces(cleaned, mode, symbols)
    if sum(len(piece.ids) for piece in spoken) < _FEWEST_IDS:
        spoken = _pieces("." + cleaned, mode, symbols)
    if all(phone in _SILENT for piece in spoken for phone in piece.phones):
        raise TextError("the text holds nothing that can be spoken in this language; write at least one word")
    return spoken


def ids_of(segments: Iterable[Phones]) -> list[int]:
    """Return the ids of all pieces in one list."""
    return [number for segment in segments for number in segment.ids]


def _mode(language: str) -> Mode:
    return language if isinstance(language, Mode) else mode_of(language)


def _clean(text: str) -> str:
    """Text without what no one can speak, in composed form, with no two blanks in a row."""
    lines = re.sub(r"\r\n?|[\u2028\u2029\u0085]", "\n", text).replace("\t", " ")
    kept = "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in _NOT_TEXT)
    return re.sub(" {2,}", " ", unicodedata.normalize("NFC", kept))


def _pieces(text: str, mode: Mode, symbols: str) -> list[Phones]:
    return [_phones_of_piece(piece, symbols) for piece in segments(text, mode)]


def _phones_of_piece(piece: Piece, symbols: str) -> Phones:
    word2ph: tuple[int, ...] | None = None
    match piece.language:
        case Language.ZH:
            from GPT_SoVITS.text.mandarin.phones import mandarin_phones

            mandarin = mandarin_phones(piece.text, erhua=symbols != "v1")
            norm_text, phones, word2ph = mandarin.norm_text, mandarin.phones, mandarin.word2ph
        case Language.EN:
            from GPT_SoVITS.text.english.phones import english_phones

            english = english_phones(piece.text)
            norm_text, phones = english.norm_text, english.phones
        case Language.JA:
            from GPT_SoVITS.text.japanese import japanese_phones

            japanese = japanese_phones(piece.text)
            norm_text, phones = japanese.norm_text, japanese.phones
        case None:
            norm_text, phones = " ", (COMMA,)
        case unsupported:
            raise TextError(
                f"{_NAMES[unsupported]} is not supported by this version; use Chinese, English or Japanese text"
            )
    ids = ids_of_phones(phones, symbols)
    return Phones(ids, phones, word2ph, norm_text, piece.language or Language.EN)
