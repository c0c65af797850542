"""Judging generated codes before they become sound: dropped words, repeated words, no end.

Speech takes a certain number of codes a phone. Far fewer mean that words were dropped, far more that some were
repeated or drawn out; a stretch of codes that repeats itself again and again is the babble of a model that lost its
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAUSE_CODES = 25
"""Codes beyond the bounds that pauses and breathing may take: a second."""
LOOP_CODES = 50
"""A stretch that repeats itself is a fault from two seconds on; a shorter one may be a held vowel or a pause."""
LONGEST_PERIOD = 40
_FEWEST_REPETITIONS = 3
_MARGIN = 1.6
"""Bounds learned from clips are widened by this factor: new sentences vary more than a few minutes of recordings."""


@dataclass(frozen=True, slots=True)
class RateBounds:
    """Codes (40 ms each) a phone, pauses included."""

    least: float = 0.8
    most: float = 12.0

    def __post_init__(self) -> None:
        """Refuse bounds that nothing can meet.

        Raises:
            ValueError: names both.
        """
        if not 0.0 <= self.least < self.most:
            raise ValueError(f"codes a phone must lie between 0 and more: {self.least} to {self.most} is no range")

    def longest(self, phones: int) -> int:
        """Return the most codes that a piece of so many phones may take."""
        return PAUSE_CODES + int(self.most * phones)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a piece, as the end of a sentence that begins with the piece; empty if nothing."""

    fault: str
    badness: float
    """Orders faults: of several tries, the one with the least is used."""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.fault


def learned_bounds(rates: Sequence[float]) -> RateBounds:
    """Return bounds from the codes a phone of each clip that a voice was trained on; the defaults without clips."""
    default = RateBounds()
    if not rates:
        return default
    usual = np.clip(rates, default.least, default.most)
    fast, slow = np.quantile(usual, (0.01, 0.99))
    return RateBounds(max(default.least, float(fast) / _MARGIN), min(default.most, float(slow) * _MARGIN))


def judge(codes: NDArray[np.int64], phones: int, ended: bool, bounds: RateBounds) -> Verdict:
    """Judge the codes [N] of a piece of so many phones; `ended` tells whether the model ended it by itself."""
    count = len(codes)
    if count == 0:
        return Verdict("the model gave no sound for it", 1e9)
    loop = longest_loop(codes)
    if loop >= LOOP_CODES:
        return Verdict("the same sound is repeated over and over", 1e6 + loop)
    if not ended:
        return Verdict("the model did not find the end; it was cut", 1e3 + count)
    if count > bounds.longest(phones):
        return Verdict("it was spoken so slowly that words may be repeated", count / bounds.longest(phones))
    if count < bounds.least * phones:
        return Verdict("it was spoken so fast that words may be missing", bounds.least * phones / count)
    return Verdict("", 0.0)


def longest_loop(codes: NDArray[np.int64]) -> int:
    """Return how many codes the longest stretch has that repeats itself three times or more; 0 if there is none."""
    longest = 0
    for period in range(1, min(LONGEST_PERIOD, len(codes) // _FEWEST_REPETITIONS) + 1):
        run = _longest_run(codes[period:] == codes[:-period])
        if run >= (_FEWEST_REPETITIONS - 1) * period:
            longest = max(longest, run + period)
    return longest


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the most True values in a row."""
    borders = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return int((borders[1::2] - borders[::2]).max(initial=0))
