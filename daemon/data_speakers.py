"""Whether the clips of a character sound like one person, from what slicing noted of each.

Plain Python: the API answers with it, and loads no numerical library.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from operator import mul
from statistics import fmean

LEAST_CLIPS = 3
"""Two clips that differ do not tell which of them is the stranger."""
STRANGE_BELOW = 0.8
"""Cosine with the middle of the clips; in clips of the demo's speaker it is 0.9 or more."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """How alike clips sound."""

    consistency: float
    """Mean cosine of all pairs of clips, 0 to 1."""
    strangers: tuple[str, ...]
    """Clips that do not sound like the others, the strangest first."""


def compare(marks: Mapping[str, str]) -> Speakers | None:
    """Compare clips by their marks (see pipeline.measures.speaker_mark); None for too few of them.

    The sum of all cosines follows from the sum of the vectors, so that no pairs are formed.
    """
    vectors = {name: _of_unit_length([*map(float, base64.b64decode(mark))]) for name, mark in marks.items() if mark}
    count = len(vectors)
    if count < LEAST_CLIPS:
        return None
    total = _sum(vectors.values())
    to_all = {name: (_product(vector, total) - 1) / (count - 1) for name, vector in vectors.items()}
    # The middle is that of the half whose clips are most like the rest, so that strangers do not move it.
    half = sorted(to_all, key=to_all.__getitem__, reverse=True)[: (count + 1) // 2]
    middle = _of_unit_length(_sum(vectors[name] for name in half))
    likeness = {name: _product(vector, middle) for name, vector in vectors.items()}
    strangers = sorted((name for name in likeness if likeness[name] < STRANGE_BELOW), key=likeness.__getitem__)
    return Speakers(round(fmean(to_all.values()), 4), tuple(strangers))


def _sum(vectors: Iterable[list[float]]) -> list[float]:
    return [sum(values) for values in zip(*vectors, strict=True)]


def _of_unit_length(vector: list[float]) -> list[float]:
    length = sqrt(_product(vector, vector)) or 1.0
    return [value / length for value in vector]


def _product(one: list[float], other: list[float]) -> float:
    product: float = sum(map(mul, one, other))
    return product
