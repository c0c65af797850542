"""What can be measured of one sound: recognition errors, silence, clipping, speaking rate."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_SILENT_DB = -40.0
"""A stretch so far below the loudest one is silence."""
_STRETCH_S = 0.02
_FULL_SCALE = 0.999


def character_errors(wanted: str, heard: str, language: str) -> float:
    """Return the character error rate: units replaced, missing or added over units wanted.

    Chinese is compared by syllables without tones, because a recogniser confuses homophones even in good speech;
    other languages by letters without marks, case and blanks.

    Args:
        wanted: the text that was to be said.
        heard: the text that was recognised.
        language: zh, en, ja ...

    Raises:
        ValueError: there is nothing in `wanted` to compare.
    """
    import jiwer

    target, spoken = (_units(text, language) for text in (wanted, heard))
    if not target:
        raise ValueError(f"the text {wanted!r} holds no letters to compare")
    return float(jiwer.wer(" ".join(target), " ".join(spoken))) if spoken else 1.0


def _units(text: str, language: str) -> list[str]:
    kept = "".join(c for c in unicodedata.normalize("NFKC", text).lower() if unicodedata.category(c)[0] in "LN")
    if language != "zh":
        return list(kept)
    from pypinyin import lazy_pinyin

    return [syllable for written in kept for syllable in lazy_pinyin(written)]


def silence_share(samples: Samples, rate_hz: int) -> float:
    """Return the share of 20 ms stretches that are 40 dB below the loudest one; 1 for no sound at all."""
    size = int(rate_hz * _STRETCH_S)
    whole = samples[: len(samples) // size * size].reshape(-1, size)
    if not len(whole):
        return 1.0
    powers = np.mean(np.square(whole, dtype=np.float64), axis=1)
    loudest = float(powers.max())
    return float(np.mean(powers <= loudest * 10 ** (_SILENT_DB / 10))) if loudest > 0 else 1.0


def clipping_share(samples: Samples) -> float:
    """Return the share of samples at full scale."""
    return float(np.mean(np.abs(samples) >= _FULL_SCALE)) if len(samples) else 0.0
