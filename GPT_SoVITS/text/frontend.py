"""Text to phones: divide by language, clean each piece in its language, number the phones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.dictionary import EMPTY, Dictionary
from GPT_SoVITS.text.languages import Language, Mode, language_of_mode, mode_of
from GPT_SoVITS.text.mandarin.readings import Polyphones
from GPT_SoVITS.text.quirks import read_as_public
from GPT_SoVITS.text.readers import READERS, Read
from GPT_SoVITS.text.segmentation import Piece, joined, segments
from GPT_SoVITS.text.symbols import COMMA, KOREAN_BLANK, KOREAN_STOP, MARKS, PAD, UNKNOWN, ids_of_phones

_FEWEST_IDS = 6
_SILENT = {*MARKS, UNKNOWN, PAD, KOREAN_BLANK, KOREAN_STOP}
_UNIT = re.compile(r"(?:km/h|m/s|km|cm|mm|kg|mg|ml|mL|[kMG]Hz|[KMGT]B|kW|[mgLV])(?![A-Za-z\d])[²³]?\W*")
_NUMBER_WITH_UNIT = re.compile(rf"\d[\d.,]{{0,20}} ?{_UNIT.pattern}")
_BARE_DOLLAR = re.compile(r"(?<![A-Za-z])\$(?=\d)")
_NOT_TEXT = {"Cc", "Cf", "Cs", "Co", "Cn"}
_ONLY_LATER = {Language.KO: "Korean", Language.YUE: "Cantonese"}
"""Languages that the table v1 has no phones for."""


@dataclass(frozen=True, slots=True)
class Phones:
    """One piece of text in one language: phones, their ids, and for Chinese the phones of each written character."""

    ids: tuple[int, ...]
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    norm_text: str
    language: str


def phones_of(
    text: str,
    language: str,
    *,
    symbols: str = "v2",
    dictionary: Dictionary = EMPTY,
    polyphones: Polyphones | None = None,
    as_public: bool = False,
) -> list[Phones]:
    """Return the pieces of `text` with their phones.

    Args:
        text: any text; control characters and lone surrogates are left out.
        language: a mode (all_zh, en, auto ...) or any other name of one.
        symbols: the table that numbers the phones, v1 or v2.
        dictionary: readings of the user, which win over all others.
        polyphones: a model that reads Mandarin characters in context, if there is one.
        as_public: read as the public program does, with its faults (quirks.py); it knows no dictionary of the user.

    Raises:
        TextError: nothing in the text can be spoken, or the language is unknown or one that v1 voices do not speak.
    """
    spoken = pieces_of(
        text, language, symbols=symbols, dictionary=dictionary, polyphones=polyphones, as_public=as_public
    )
    if all(phone in _SILENT for piece in spoken for phone in piece.phones):
        raise TextError("the text holds nothing that can be spoken in this language; write at least one word")
    return spoken


def pieces_of(
    text: str,
    language: str,
    *,
    symbols: str = "v2",
    dictionary: Dictionary = EMPTY,
    polyphones: Polyphones | None = None,
    as_public: bool = False,
) -> list[Phones]:
    """Return the pieces of `text` as `phones_of` does, but also of a text that is nothing but pauses.

    Raises:
        TextError: the language is unknown or one that v1 voices do not speak.
    """
    mode = _mode(language)
    fixed = language_of_mode(mode)
    if symbols == "v1" and fixed in _ONLY_LATER:
        raise TextError(f"a v1 voice does not speak {_ONLY_LATER[fixed]}; use a voice of a later version")

    def read(text: str, language: Language) -> Read:
        if as_public:
            return read_as_public(text, language, symbols, polyphones)
        return READERS[language](text, symbols, dictionary, polyphones)

    cleaned = _clean(text)
    divide = segments if as_public else _divided
    spoken = [_phones_of_piece(piece, symbols, read) for piece in divide(cleaned, mode)]
    if sum(len(piece.ids) for piece in spoken) < _FEWEST_IDS:
        spoken = [_phones_of_piece(piece, symbols, read) for piece in divide("." + cleaned, mode)]
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


def _divided(text: str, mode: Mode) -> list[Piece]:
    """Divide `text` by language, and leave every number with its unit."""
    if language_of_mode(mode) in {Language.ZH, Language.YUE}:
        from GPT_SoVITS.text.mandarin.normalise import latin_quantities_in_words

        if language_of_mode(mode) is Language.YUE:
            text = _BARE_DOLLAR.sub("HK$", text)
        text = latin_quantities_in_words(text)
    return _with_units(segments(text, mode))


def _with_units(pieces: Iterable[Piece]) -> list[Piece]:
    """Give a unit of Latin letters (5km, 60GB) to the language around its number, which then reads it whole."""
    given: list[Piece] = []
    for piece in pieces:
        before = given[-1] if given else None
        text = piece.text
        if before and before.language and piece.language is Language.EN and before.language is not Language.EN:
            found = (_UNIT if before.text[-1:].isdigit() else _NUMBER_WITH_UNIT).match(text)
            if found:
                given.append(Piece(found[0], before.language))
                text = text[found.end() :]
        if text:
            given.append(Piece(text, piece.language))
    if len(given) > 1 and given[0].language is Language.EN and _NUMBER_WITH_UNIT.fullmatch(given[0].text):
        given[0] = Piece(given[0].text, given[1].language)
    return joined(given)


def _phones_of_piece(piece: Piece, symbols: str, read: Callable[[str, Language], Read]) -> Phones:
    language = piece.language
    if language is None or (symbols == "v1" and language in _ONLY_LATER):
        said = Read(" ", (COMMA,))
    else:
        said = read(piece.text, language)
    ids = ids_of_phones(said.phones, symbols)
    return Phones(ids, said.phones, said.word2ph, said.norm_text, language or Language.EN)
