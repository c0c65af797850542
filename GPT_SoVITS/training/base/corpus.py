"""A corpus to train a base on: one table a language, `<language>.tsv`, with the columns file, seconds and text."""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass
from pathlib import Path

from GPT_SoVITS.errors import TrainingDataError

LANGUAGES = ("en", "ja", "zh")
VALIDATION_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording of the corpus."""

    name: str
    """The file name without its extension."""
    path: Path
    text: str
    language: str
    validation: bool
    """Kept out of training: a sentence, and with it a speaker mix, that no step sees."""


def read_corpus(folder: Path) -> list[Utterance]:
    """Return the utterances of all languages in a settled order.

    About two of a hundred are for validation; which ones follows from a checksum of the sentence, so that the same
    sentence is never on both sides, and every utterance has a speaker of its own.

    Raises:
        TrainingDataError: there is no table, or a file that one names is not there.
    """
    utterances: list[Utterance] = []
    for language in LANGUAGES:
        table = folder / f"{language}.tsv"
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as stream:
                rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
                utterances += [_utterance(folder, language, row["file"], row["text"]) for row in rows]
    if not utterances:
        names = ", ".join(f"{language}.tsv" for language in LANGUAGES)
        raise TrainingDataError(f"{folder} holds no corpus: none of {names} is there")
    return utterances


def _utterance(folder: Path, language: str, file: str, text: str) -> Utterance:
    path = folder / file
    if not path.is_file():
        raise TrainingDataError(f"the corpus in {folder} lacks {file}, which its table names")
    kept_out = zlib.crc32(text.encode("utf-8")) % 1000 < VALIDATION_SHARE * 1000
    return Utterance(path.stem, path, text, language, kept_out)
