"""The g2pW model (Chen et al. 2022): how a character with several readings is read in its sentence. Optional.

A BERT that sees the sentence in traditional characters and is asked about one of them at a time; a mask leaves it only
the readings of that character. The files are those of a GPT-SoVITS installation; nothing in them is executed.
"""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from GPT_SoVITS.base_files import PolyphoneFiles, polyphone_files
from GPT_SoVITS.errors import CheckpointError, EngineError
from GPT_SoVITS.text.mandarin.readings import all_readings
from GPT_SoVITS.vocabulary import FIRST_TOKEN, LAST_TOKEN, SPECIAL_TOKENS, read_vocabulary, token_id

logger = logging.getLogger(__name__)

LONGEST_TEXT = 126
"""Characters that the model sees at once (it was trained on windows of 32); longer text is cut up."""
MOST_QUESTIONS = 32
"""Questions that are answered together: they bound the memory."""
_TONES = "12345"
_RULED = frozenset("一不")
"""Characters whose tone the tone rules find from the reading of the dictionary."""
_INPUTS = ("input_ids", "token_type_ids", "attention_mask", "phoneme_mask", "char_ids", "position_ids")

Integers = NDArray[np.int64]
Probabilities = NDArray[np.float32]


class Session(Protocol):
    """A loaded network, as onnxruntime offers it."""

    def run(self, output_names: None, input_feed: Mapping[str, Any], /) -> Sequence[Any]:
        """Return all outputs for the inputs."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the network is asked about one text of T characters: one row for each of Q characters in doubt."""

    input_ids: Integers
    """[Q, T + 2]: the tokens of the text, the same in each row."""
    phoneme_mask: Probabilities
    """[Q, labels]: 1 for the readings that the character may have."""
    char_ids: Integers
    """[Q]: number of the character."""
    position_ids: Integers
    """[Q]: the token that is the character."""

    def feed(self) -> dict[str, Any]:
        """Return the inputs of the network by their names."""
        return {
            "input_ids": self.input_ids,
            "token_type_ids": np.zeros_like(self.input_ids),
            "attention_mask": np.ones_like(self.input_ids),
            "phoneme_mask": self.phoneme_mask,
            "char_ids": self.char_ids,
            "position_ids": self.position_ids,
        }


@dataclass(frozen=True, slots=True)
class Tables:
    """What the numbers of the network stand for.

    `pinyin` has one reading a label (with its tone digit), empty where it cannot be written so; `choices` the labels
    of each character, `characters` its number.
    """

    pinyin: tuple[str, ...]
    choices: Mapping[str, tuple[int, ...]]
    characters: Mapping[str, int]
    vocabulary: dict[str, int]
    use_mask: bool

    def questions(self, text: str, places: Sequence[int]) -> Questions:
        """Return the questions about the characters at `places` of `text`, which all have choices."""
        tokens = [token_id(character, self.vocabulary) for character in text]
        row = [self.vocabulary[FIRST_TOKEN], *tokens, self.vocabulary[LAST_TOKEN]]
        mask = np.zeros((len(places), len(self.pinyin)), dtype=np.float32)
        for question, place in enumerate(places):
            mask[question, list(self.choices[text[place]]) if self.use_mask else slice(None)] = 1
        return Questions(
            input_ids=np.tile(np.array(row, dtype=np.int64), (len(places), 1)),
            phoneme_mask=mask,
            char_ids=np.array([self.characters[text[place]] for place in places], dtype=np.int64),
            position_ids=np.array(places, dtype=np.int64) + 1,
        )


class PolyphoneModel:
    """The network with its tables; called with a text of Chinese characters it returns place -> pinyin."""

    def __init__(self, session: Session, tables: Tables) -> None:
        """Take a loaded network and the tables that belong to it."""
        self._session = session
        self._tables = tables

    def __call__(self, text: str) -> dict[int, str]:
        """Return place -> pinyin with its tone digit for the characters of `text` that the model knows to be in doubt.

        A reading that is none of the character's in the dictionary of single characters (some are those of Taiwan
        only) is left out.
        """
        written = _traditional(text)
        found: dict[int, str] = {}
        for start in range(0, len(text), LONGEST_TEXT):
            part = written[start : start + LONGEST_TEXT]
            for place, pinyin in self._readings(part).items():
                if pinyin in all_readings(text[start + place]):
                    found[start + place] = pinyin
        return found

    def _readings(self, text: str) -> dict[int, str]:
        asked = [place for place, c in enumerate(text) if c not in _RULED and len(self._tables.choices.get(c, ())) > 1]
        found: dict[int, str] = {}
        for start in range(0, len(asked), MOST_QUESTIONS):
            places = asked[start : start + MOST_QUESTIONS]
            probabilities = self._session.run(None, self._tables.questions(text, places).feed())[0]
            labels = np.argmax(probabilities, axis=1)
            found |= {place: self._tables.pinyin[label] for place, label in zip(places, labels, strict=True)}
        return found


def polyphone_model(models_dir: str = "") -> PolyphoneModel | None:
    """Return the g2pW model of a models folder, loaded once; None where there is none.

    Files that are missing or damaged are named in the log, once, and there is no model then: the dictionary of
    phrases decides.
    """
    try:
        files = polyphone_files(models_dir)
        return None if files is None else _loaded(files)
    except EngineError as error:
        _warn(str(error))
        return None


@cache
def _warn(sentence: str) -> None:
    logger.warning("%s; characters are read by the dictionary", sentence)


@lru_cache(maxsize=2)
def _loaded(files: PolyphoneFiles) -> PolyphoneModel | None:
    try:
        return load_polyphone_model(files)
    except CheckpointError as error:
        _warn(str(error))
        return None


def load_polyphone_model(files: PolyphoneFiles) -> PolyphoneModel:
    """Return the g2pW model.

    Raises:
        CheckpointError: a file is damaged, or they do not belong together.
    """
    settings = _settings(files.config)
    vocabulary = read_vocabulary(files.vocabulary.parent)
    if lacking := [token for token in SPECIAL_TOKENS if token not in vocabulary]:
        raise CheckpointError(f"the vocabulary in {files.vocabulary.parent} lacks {', '.join(lacking)}; copy it again")
    tables = _tables(_characters(files.characters), _pinyin(files.pinyin), vocabulary, settings)
    session = _session(files.network)
    labels = next(each for each in session.get_inputs() if each.name == "phoneme_mask").shape[-1]
    if isinstance(labels, int) and labels != len(tables.pinyin):
        raise CheckpointError(
            f"{files.network} knows {labels} readings and {files.characters.name} {len(tables.pinyin)}; "
            "copy the whole folder again"
        )
    return PolyphoneModel(session, tables)


def check_polyphone_file(path: Path) -> str:
    """Read one file of the model and return in a few words what it is.

    Raises:
        CheckpointError: it is damaged or something else.
    """
    readers: dict[str, tuple[Callable[[Path], object], str]] = {
        ".onnx": (_session, "the g2pW polyphone model"),
        ".txt": (_characters, "characters of the polyphone model"),
        ".json": (_pinyin, "readings of the polyphone model"),
        ".py": (_settings, "settings of the polyphone model"),
    }
    read, said = readers[path.suffix]
    read(path)
    return said


def _session(path: Path) -> Any:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    errors = tuple(each for each in vars(native).values() if isinstance(each, type) and issubclass(each, Exception))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except errors as error:
        raise CheckpointError(f"{path} is damaged or no ONNX model; copy it again") from error
    if {each.name for each in session.get_inputs()} != set(_INPUTS):
        raise CheckpointError(f"{path} is no g2pW model: it does not take {', '.join(_INPUTS)}")
    return session


def _settings(path: Path | None) -> dict[str, Any]:
    """The plain values that a config.py assigns; it is read, never run."""
    if path is None:
        return {}
    settings: dict[str, Any] = {}
    try:
        for line in ast.parse(_text(path)).body:
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                settings[line.targets[0].id] = _value(line.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"{path} is no Python file of settings; copy it again") from error
    return settings


def _value(expression: ast.expr) -> Any:
    try:
        return ast.literal_eval(expression)
    except (ValueError, TypeError):
        return None


def _characters(path: Path) -> list[tuple[str, str]]:
    """Characters with one of their readings each, a pair a line parted by a tab."""
    fields = [line.split("\t") for line in _text(path).strip().splitlines()]
    if not fields or any(len(field) != 2 or not all(field) for field in fields):
        raise CheckpointError(f"{path} is damaged: a line is not a character, a tab and a reading; copy it again")
    return [(character, reading) for character, reading in fields]


def _pinyin(path: Path) -> dict[str, str]:
    """Bopomofo without its tone -> pinyin."""
    try:
        table = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON; copy it again") from error
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise CheckpointError(f"{path} is damaged: it does not give pinyin for bopomofo; copy it again")
    return table


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read; copy it again") from error


def _tables(
    pairs: Sequence[tuple[str, str]],
    pinyin: Mapping[str, str],
    vocabulary: dict[str, int],
    settings: Mapping[str, Any],
) -> Tables:
    """Number labels and characters as the model does: in code-point order."""
    by_character = bool(settings.get("use_char_phoneme", False))
    names = [f"{character} {reading}" if by_character else reading for character, reading in pairs]
    labels = {name: number for number, name in enumerate(sorted(set(names)))}
    choices: dict[str, tuple[int, ...]] = {}
    for (character, _), name in zip(pairs, names, strict=True):
        choices[character] = (*choices.get(character, ()), labels[name])
    return Tables(
        pinyin=tuple(_in_pinyin(name.rpartition(" ")[2], pinyin) for name in labels),
        choices=choices,
        characters={character: number for number, character in enumerate(sorted(choices))},
        vocabulary=vocabulary,
        use_mask=bool(settings.get("use_mask", True)),
    )


def _in_pinyin(reading: str, pinyin: Mapping[str, str]) -> str:
    """A reading in bopomofo (or already in pinyin) with its tone digit, as pinyin with v for u-umlaut."""
    spelling, tone = reading[:-1], reading[-1:]
    spelled = spelling if spelling.isascii() else pinyin.get(spelling, "")
    for umlaut in ("u:", "ü"):
        spelled = spelled.replace(umlaut, "v")
    return spelled + tone if spelled and tone in _TONES else ""


def _traditional(text: str) -> str:
    """`text` in the characters of Taiwan, which the model was trained on; the length stays."""
    converted = str(_converter().convert(text))
    return converted if len(converted) == len(text) else text


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("s2tw")
