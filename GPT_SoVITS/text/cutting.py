"""Cutting a text into pieces short enough to speak well: the methods cut0 to cut5 and the rules around them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.languages import Mode, mode_of
from GPT_SoVITS.text.marks import KEPT, collapse_runs

SENTENCE_MARKS = "，。？！,.?!~:：—…"
_CLAUSE_MARKS = ",.;?!、，。？！：…"
_CLAUSES_PER_PIECE = 4
_PIECE_CHARACTERS = 50
_MINIMUM_FIRST_CLAUSE = 4
_MINIMUM_PIECE = 5
_MAXIMUM_PIECE = 510

_CLAUSE = re.compile(rf"[^{SENTENCE_MARKS}]*[{SENTENCE_MARKS}]")
_WORD_CHARACTER = re.compile(r"\w")


class CutMethod(StrEnum):
    """Where a text may be cut."""

    NONE = "cut0"
    FOUR_SENTENCES = "cut1"
    FIFTY_CHARACTERS = "cut2"
    CHINESE_STOPS = "cut3"
    ENGLISH_STOPS = "cut4"
    ALL_MARKS = "cut5"


METHOD_NAMES: dict[str, CutMethod] = {
    "不切": CutMethod.NONE,
    "凑四句一切": CutMethod.FOUR_SENTENCES,
    "凑50字一切": CutMethod.FIFTY_CHARACTERS,
    "按中文句号。切": CutMethod.CHINESE_STOPS,
    "按英文句号.切": CutMethod.ENGLISH_STOPS,
    "按标点符号切": CutMethod.ALL_MARKS,
}


def method_of(name: str) -> CutMethod:
    """Return the method called `name` (cut0 to cut5 or a Chinese name).

    Raises:
        TextError: the name is unknown; the message lists the accepted ones.
    """
    if name in METHOD_NAMES:
        return METHOD_NAMES[name]
    try:
        return CutMethod(name.strip().lower())
    except ValueError:
        raise TextError(f"the way of cutting {name!r} is unknown; use one of {', '.join(CutMethod)}") from None


def cut(text: str, method: str) -> list[str]:
    """Return the lines that `method` cuts `text` into.

    Args:
        text: any text; newlines inside it are lines already.
        method: cut0 to cut5 or a Chinese name.

    Raises:
        TextError: the method is unknown.
    """
    return "\n".join(_cut(text, method_of(method))).split("\n")


def pieces_for_synthesis(text: str, language: str, method: str) -> list[str]:
    """Return the pieces to speak one after the other, each ending in a sentence mark and at most 510 characters.

    Args:
        text: any text.
        language: a mode or any name of one.
        method: cut0 to cut5 or a Chinese name.

    Raises:
        TextError: nothing in the text can be spoken, or a name is unknown.
    """
    return [short for piece in speakable_pieces(collapse_runs(text), language, method) for short in limit(piece)]


def speakable_pieces(text: str, language: str, method: str) -> list[str]:
    """Return the pieces as `pieces_for_synthesis` does, but with runs of marks kept and at any length.

    Raises:
        TextError: nothing in the text can be spoken, or a name is unknown.
    """
    stop = "." if mode_of(language) is Mode.EN else "。"
    text = text.strip("\n")
    if text and text[0] not in SENTENCE_MARKS and len(_first_clause(text)) < _MINIMUM_FIRST_CLAUSE:
        text = stop + text
    lines = [line for line in cut(text, method) if line.strip()]
    spoken = [piece for piece in join_short(lines) if _WORD_CHARACTER.search(piece)]
    if not spoken:
        raise TextError("the text holds nothing that can be spoken; write at least one word")
    return [piece if piece[-1] in SENTENCE_MARKS else piece + stop for piece in spoken]


def _cut(text: str, method: CutMethod) -> Iterable[str]:
    inner = text.strip("\n")
    match method:
        case CutMethod.NONE:
            return ["", ""] if set(text) <= set(KEPT + " ") else [text]
        case CutMethod.FOUR_SENTENCES:
            return _drop_marks_only(_groups_of_four(inner), KEPT + " ")
        case CutMethod.FIFTY_CHARACTERS:
            return _drop_marks_only(_fifty_characters(inner), KEPT + " ")
        case CutMethod.CHINESE_STOPS:
            return _drop_marks_only(inner.strip("。").split("。"), KEPT + " ")
        case CutMethod.ENGLISH_STOPS:
            return _drop_marks_only(re.split(r"(?<!\d)\.(?!\d)", inner.strip(".")), KEPT + " ")
        case CutMethod.ALL_MARKS:
            return _drop_marks_only(_at_all_marks(inner), _CLAUSE_MARKS)


def _drop_marks_only(pieces: Iterable[str], marks: str) -> list[str]:
    return [piece for piece in pieces if not set(piece) <= set(marks)]


def _clauses(text: str) -> list[str]:
    text = text.replace("……", "。").replace("——", "，")
    if not text or text[-1] not in SENTENCE_MARKS:
        text += "。"
    return _CLAUSE.findall(text)


def _groups_of_four(text: str) -> list[str]:
    """Groups of four clauses; what follows the last full group but one stays together."""
    clauses = _clauses(text)
    starts = list(range(0, len(clauses), _CLAUSES_PER_PIECE))[:-1]
    if not starts:
        return [text]
    ends: list[int | None] = [*starts[1:], None]
    return ["".join(clauses[start:end]) for start, end in zip(starts, ends, strict=True)]


def _fifty_characters(text: str) -> list[str]:
    clauses = _clauses(text)
    if len(clauses) < 2:
        return [text]
    pieces = [""]
    for clause in clauses:
        if len(pieces[-1]) > _PIECE_CHARACTERS:
            pieces.append("")
        pieces[-1] += clause
    if len(pieces) > 1 and len(pieces[-1]) < _PIECE_CHARACTERS:
        last = pieces.pop()
        pieces[-1] += last
    return pieces


def _at_all_marks(text: str) -> list[str]:
    pieces = [""]
    for index, character in enumerate(text):
        pieces[-1] += character
        if character in _CLAUSE_MARKS and not _is_decimal_point(text, index):
            pieces.append("")
    return [piece for piece in pieces if piece]


def _is_decimal_point(text: str, index: int) -> bool:
    inside = 0 < index < len(text) - 1
    return inside and text[index] == "." and text[index - 1].isdigit() and text[index + 1].isdigit()


def _first_clause(text: str) -> str:
    return re.split(f"[{SENTENCE_MARKS}]", text, maxsplit=1)[0].strip()


def join_short(lines: Iterable[str]) -> list[str]:
    """Join consecutive lines until each has at least five characters; a short rest joins the last."""
    joined: list[str] = []
    pending = ""
    for line in lines:
        pending += line
        if len(pending) >= _MINIMUM_PIECE:
            joined.append(pending)
            pending = ""
    if pending and joined:
        joined[-1] += pending
    elif pending:
        joined.append(pending)
    return joined


def limit(piece: str, longest: int = _MAXIMUM_PIECE) -> list[str]:
    """Cut a piece of more than `longest` characters at sentence marks, and a clause longer than that anywhere."""
    if len(piece) <= longest:
        return [piece]
    short: list[str] = [""]
    for clause in re.findall(rf"[^{SENTENCE_MARKS}]*[{SENTENCE_MARKS}]|[^{SENTENCE_MARKS}]+$", piece):
        for start in range(0, len(clause), longest):
            part = clause[start : start + longest]
            if len(short[-1]) + len(part) > longest:
                short.append("")
            short[-1] += part
    return [text for text in short if text]
