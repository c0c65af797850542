"""Dividing mixed text into pieces of one language, by script and by characters that only one language writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import groupby

from GPT_SoVITS.text.languages import Language, Mode, language_of_mode
from GPT_SoVITS.text.mandarin.units import MEASURE_PATTERN

_KANA = r"\u3041-\u3096\u309d\u309e\u30a1-\u30fa\u30fc-\u30fe\uff66-\uff9d"
_HAN = r"\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HANGUL = re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+")
_UNIT = re.compile(
    rf"(?P<cjk>[{_KANA}{_HAN}]+)|(?P<hangul>{_HANGUL.pattern})"
    r"|(?P<digits>[\d²³¹]+)|(?P<latin>～?[A-Za-zÀ-ɏＡ-Ｚａ-ｚ]+)|(?P<other>.)",
    re.DOTALL,
)
_KANA_RUN = re.compile(f"[{_KANA}]")
_STRETCH = re.compile(f"[{_KANA}]+|[^{_KANA}]+")
_ONLY_CHINESE = frozenset("你吗呢吧很她哪啊么没个咱您")
_CHINESE_VERB = re.compile("是(?![非正認])")
"""The Chinese "to be"; in Japanese the character stands in a few words only."""
_MEASURE = re.compile(MEASURE_PATTERN)
_SENTENCE_ENDS = tuple(",.!?，。！？")


class Script(StrEnum):
    """What a piece is before its language is settled."""

    DIGITS = "digits"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text with its language; None where there is nothing but marks."""

    text: str
    language: Language | None


@dataclass(frozen=True, slots=True)
class _Draft:
    text: str
    kind: Language | Script


def segments(text: str, mode: Mode) -> list[Piece]:
    """Return the pieces of `text` in order; joined they are the text without blanks at its ends."""
    text = text.strip()
    if not text:
        return []
    if mode is Mode.EN:
        return [Piece(text, Language.EN)]
    fixed = language_of_mode(mode)
    default = fixed if mode.startswith("all_") else None
    drafts = _attach_marks(_drafts(text, default))
    if default is None:
        drafts = _settle_digits(drafts)
    pieces = [Piece(draft.text, draft.kind if isinstance(draft.kind, Language) else default) for draft in drafts]
    if fixed is not None:
        pieces = [Piece(p.text, Language.EN if p.language is Language.EN else fixed) for p in pieces]
    elif mode is Mode.AUTO_YUE:
        pieces = [Piece(p.text, Language.YUE if p.language is Language.ZH else p.language) for p in pieces]
    return joined(pieces)


def _drafts(text: str, default: Language | None) -> list[_Draft]:
    other_asian = any(_is_chinese_only(c) for c in text) or bool(_HANGUL.search(text))
    japanese_text = bool(_KANA_RUN.search(text)) and not other_asian
    drafts: list[_Draft] = []
    for found in _UNIT.finditer(text):
        unit = found[0]
        if found.lastgroup == "latin":
            drafts.append(_Draft(unit, Language.EN))
        elif found.lastgroup == "other":
            drafts.append(_Draft(unit, Script.OTHER))
        elif default is not None:
            drafts.append(_Draft(unit, default))
        elif found.lastgroup == "digits":
            drafts.append(_Draft(unit, Script.DIGITS))
        elif found.lastgroup == "hangul":
            drafts.append(_Draft(unit, Language.KO))
        else:
            drafts += _chinese_or_japanese(unit, japanese_text)
    return drafts


def _chinese_or_japanese(run: str, japanese_text: bool) -> list[_Draft]:
    """A run of Han and kana: Han is Japanese beside kana, unless it holds what only Chinese writes."""
    if not _KANA_RUN.search(run):
        japanese = (japanese_text and not _CHINESE_VERB.search(run)) or _is_only_japanese(run)
        return [_Draft(run, Language.JA if japanese else Language.ZH)]
    return [
        _Draft(stretch, Language.ZH if any(_is_chinese_only(c) for c in stretch) else Language.JA)
        for stretch in _STRETCH.findall(run)
    ]


def _is_only_japanese(run: str) -> bool:
    """Whether the Japanese character set has all of a run (会議, 桜), and neither Chinese one has."""
    return _encodes(run, "shift_jis") and not (_encodes(run, "gb2312") or _encodes(run, "big5"))


@cache
def _is_chinese_only(character: str) -> bool:
    """Simplified characters are absent from the Japanese standard character set, and so are a few common words."""
    return character in _ONLY_CHINESE or ("\u4e00" <= character <= "\u9fff" and not _encodes(character, "shift_jis"))


def _encodes(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _attach_marks(drafts: Iterable[_Draft]) -> list[_Draft]:
    """Give marks and blanks to the piece before them, leading ones to the piece after; join equal neighbours."""
    attached: list[_Draft] = []
    texts: list[str] = []
    kind: Language | Script = Script.OTHER
    for draft in drafts:
        if draft.kind is not Script.OTHER and draft.kind is not kind and kind is not Script.OTHER:
            attached.append(_Draft("".join(texts), kind))
            texts = []
        texts.append(draft.text)
        kind = kind if draft.kind is Script.OTHER else draft.kind
    return [*attached, _Draft("".join(texts), kind)]


def _settle_digits(drafts: list[_Draft]) -> list[_Draft]:
    settled: list[_Draft] = []
    for index, draft in enumerate(drafts):
        if draft.kind is Script.DIGITS:
            before = settled[-1] if settled else None
            after = drafts[index + 1] if index + 1 < len(drafts) else None
            settled.append(_Draft(draft.text, _language_of_digits(draft.text, before, after)))
        else:
            settled.append(draft)
    return settled


def _language_of_digits(text: str, before: _Draft | None, after: _Draft | None) -> Language | Script:
    if before is None or after is None:
        neighbour = before or after
        return neighbour.kind if neighbour else Language.ZH
    if after.kind is Language.ZH and before.text.endswith(" ") and _MEASURE.match(after.text):
        return after.kind
    if before.kind is after.kind or text.endswith((".", "。")):
        return before.kind
    if before.text.endswith(_SENTENCE_ENDS):
        return after.kind
    return before.kind if len(before.text) >= len(after.text) else after.kind


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces with neighbours of one language as one."""
    runs = groupby(pieces, key=lambda piece: piece.language)
    return [Piece("".join(piece.text for piece in run), language) for language, run in runs]
