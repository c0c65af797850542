"""Joining fragments of speech to one recording: levels, pauses, and cross-fades where they match best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SEARCH_SAMPLES = 320
_SILENCE = 1e-8

Samples = NDArray[np.float32]


def at_most_full_scale(samples: Samples) -> Samples:
    """Return a fragment divided by its peak where that is above 1."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples / np.float32(peak) if peak > 1 else samples


def with_pause(fragment: Samples, pause_s: float, rate_hz: int) -> Samples:
    """Return a fragment (float32 [samples]) with a pause after it."""
    return np.concatenate([fragment, np.zeros(int(rate_hz * pause_s), np.float32)])


def to_pcm(samples: Samples) -> NDArray[np.int16]:
    """Return 16-bit samples, cut off towards zero; full scale is clipped, where the public engine wraps it."""
    pcm: NDArray[np.int16] = np.clip(samples * np.float32(32768), -32768, 32767).astype(np.int16)
    return pcm


def cross_fade(earlier: Tensor, later: Tensor, overlap: int, search: int = SEARCH_SAMPLES) -> tuple[Tensor, Tensor]:
    """Join two overlapping stretches of sound where they agree best (SOLA, synchronised overlap and add).

    The start of `later` is moved by up to `search` samples to the greatest correlation with the end of `earlier`,
    normalised by the energy of `later`; then one fades into the other over a Hann window.

    Args:
        earlier: float [samples], of at least `overlap`.
        later: float [samples], of at least `overlap`.
        overlap: samples that both have in common.
        search: the farthest shift.

    Returns:
        `earlier` without its end, and `later` from the best place on, beginning with the cross-fade.
    """
    end, start = earlier[-overlap:], later[: overlap + search]
    agreement = F.conv1d(start.view(1, 1, -1), end.view(1, 1, -1))[0, 0]
    energy = F.conv1d(start.square().view(1, 1, -1), torch.ones_like(end).view(1, 1, -1))[0, 0]
    shift = int((agreement / (energy + _SILENCE).sqrt()).argmax())
    rise, fall = torch.hann_window(2 * overlap, dtype=later.dtype, device=later.device).chunk(2)
    moved = later[shift:]
    return earlier[:-overlap], torch.cat([moved[:overlap] * rise + end * fall, moved[overlap:]])


def join(chunks: Sequence[Tensor], overlap: int, search: int = SEARCH_SAMPLES) -> Tensor:
    """Return overlapping chunks (float [samples]) joined to one by `cross_fade`."""
    done: list[Tensor] = []
    current = chunks[0]
    for chunk in chunks[1:]:
        finished, current = cross_fade(current, chunk, overlap, search)
        done.append(finished)
    return torch.cat([*done, current])
