"""The public GPT-SoVITS experiment folder: the formats of its files, read and written.

`2-name2text.txt`, `3-bert/<clip>.pt`, `4-cnhubert/<clip>.pt`, `5-wav32k/<clip>`, `6-name2semantic.tsv` and
`7-sv_cn/<clip>.pt`, as the public preparation scripts write them, so that a data set moves to and from their WebUI.
`<clip>` is a file name with its extension.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import resample
from GPT_SoVITS.errors import AudioError, TrainingDataError

TEXT_FILE = "2-name2text.txt"
TEXT_FEATURES_FOLDER = "3-bert"
CONTENT_FOLDER = "4-cnhubert"
WAVE_FOLDER = "5-wav32k"
SEMANTIC_FILE = "6-name2semantic.tsv"
SPEAKER_FOLDER = "7-sv_cn"
SEMANTIC_HEADER = "item_name\tsemantic_audio"

_LOUDEST_PEAK = 2.2
_NORMALISED_PEAK = 0.95
_NORMALISED_SHARE = 0.5
_FULL_SCALE = 32_768
_HEARD_SCALE = 1145.14
_FORBIDDEN_IN_NAMES = "\t\n\r"


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of 2-name2text.txt."""

    name: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    """Phones of each character of `text`; only languages with a text encoder have them."""
    text: str
    """The normalised text."""


@dataclass(frozen=True, slots=True)
class SemanticLine:
    """One row of 6-name2semantic.tsv: the 25 Hz codes of a clip."""

    name: str
    codes: tuple[int, ...]


def check_name(name: str) -> None:
    """Refuse a clip name that the tab-separated files cannot hold.

    Raises:
        TrainingDataError: the name holds a tab or a line break.
    """
    if any(character in name for character in _FORBIDDEN_IN_NAMES):
        raise TrainingDataError(f"the clip name {name!r} holds a tab or a line break; rename the recording")


def format_text_line(line: TextLine) -> str:
    """Return the line without its newline; tabs and line breaks in the text become spaces.

    Raises:
        TrainingDataError: the name cannot be written.
    """
    check_name(line.name)
    counts = str(list(line.word2ph)) if line.word2ph is not None else "None"
    return "\t".join((line.name, " ".join(line.phones), counts, " ".join(line.text.split())))


def parse_text_line(line: str) -> TextLine | None:
    """Read one line; None for a line that is not of four columns, which the public tools skip too."""
    columns = line.rstrip("\r\n").split("\t")
    if len(columns) != 4:
        return None
    name, phones, counts, text = columns
    return TextLine(name, tuple(phones.split()), _counts(counts), text)


def _counts(column: str) -> tuple[int, ...] | None:
    try:
        value = ast.literal_eval(column)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(value, list) or not all(isinstance(count, int) for count in value):
        return None
    return tuple(value)


def read_text_lines(path: Path) -> dict[str, TextLine]:
    """Return the lines of 2-name2text.txt by clip name, in file order."""
    lines = (parse_text_line(line) for line in _lines(path))
    return {line.name: line for line in lines if line is not None}


def format_semantic_line(line: SemanticLine) -> str:
    """Return the row without its newline.

    Raises:
        TrainingDataError: the name cannot be written.
    """
    check_name(line.name)
    return f"{line.name}\t{' '.join(map(str, line.codes))}"


def read_semantic_lines(path: Path) -> dict[str, SemanticLine]:
    """Return the rows of 6-name2semantic.tsv by clip name, in file order; a damaged row is skipped."""
    rows = {}
    for row in _lines(path)[1:]:
        name, _, codes = row.partition("\t")
        try:
            rows[name] = SemanticLine(name, tuple(int(code) for code in codes.split()))
        except ValueError:
            continue
    return rows


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n") if path.exists() else []


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text lines, each closed by one newline."""
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def training_mix(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return half the wave at a peak of 0.95 plus half the wave as it is.

    Args:
        samples: float32 [samples]; peaks above 1 come from files that were clipped.

    Raises:
        AudioError: the wave is empty, silent, not finite, or its peak is above 2.2.
    """
    return _mixed(samples, 1.0)


def stored_wave(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return the training mix as the public scripts store it: int16 [samples], cut off towards zero.

    A mix beyond full scale (from a wave with a peak above 1.05) is clipped, where the scripts would wrap it.

    Raises:
        AudioError: as in `training_mix`.
    """
    return np.clip(_mixed(samples, _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def heard_wave(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return what the content encoder hears of a clip when a public data set is made: float32 at 16 kHz.

    It is the training mix 1145.14 times as loud, unlike at inference. The encoder's first norm makes that almost
    irrelevant, but the public codes were made so.

    Raises:
        AudioError: as in `training_mix`.
    """
    return resample(_mixed(samples, _HEARD_SCALE), rate_hz, 16_000)


def _mixed(samples: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    peak = float(np.abs(samples).max()) if samples.size else 0.0
    if not np.isfinite(peak) or peak == 0.0:
        raise AudioError("the clip holds no sound; record it again")
    if peak > _LOUDEST_PEAK:
        raise AudioError(f"the clip is overdriven (its peak is {peak:.1f}, above {_LOUDEST_PEAK}); record it quieter")
    levelled = samples / peak * (_NORMALISED_PEAK * _NORMALISED_SHARE * scale)
    mix: NDArray[np.float32] = (levelled + (1 - _NORMALISED_SHARE) * scale * samples).astype(np.float32)
    return mix


def save_features(path: Path, features: Tensor) -> None:
    """Write a tensor in its own dtype so that a weights-only load reads it."""
    torch.save(features.detach().cpu().contiguous(), path)


def load_features(path: Path, channels: int) -> Tensor:
    """Read content features float32 [1, channels, frames].

    Raises:
        TrainingDataError: the file is damaged or of another shape.
    """
    features = _load_tensor(path)
    if features.dim() != 3 or features.shape[:2] != (1, channels):
        raise TrainingDataError(f"the features {path.name} are not of shape [1, {channels}, frames]; make them again")
    return features.float()


def load_matrix(path: Path, shape: tuple[int, int]) -> Tensor:
    """Read a tensor of exactly this shape, float32: text features [width, phones] or a speaker vector [1, width].

    Raises:
        TrainingDataError: the file is missing, damaged or of another shape.
    """
    matrix = _load_tensor(path)
    if matrix.shape != shape:
        found = list(matrix.shape)
        raise TrainingDataError(f"{path.parent.name}/{path.name} is of shape {found}, not {list(shape)}; make it again")
    return matrix.float()


def _load_tensor(path: Path) -> Tensor:
    try:
        features = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingDataError(f"the features {path.name} cannot be read; run the feature steps again") from error
    if not isinstance(features, Tensor):
        raise TrainingDataError(f"{path.name} does not hold features; run the feature steps again")
    return features.detach()


def ids_of_codes(codes: Sequence[int]) -> Tensor:
    """Return codes as int64 [N]."""
    return torch.tensor(tuple(codes), dtype=torch.int64)
