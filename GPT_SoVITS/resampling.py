"""Band-limited resampling as torchaudio does it by default, for what the public engine resamples with torchaudio.

Data sets and prompts are resampled with soxr instead (`audio.resample`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray


def sinc_resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Return a waveform float32 [samples] at another rate, ceil(samples · to / from) long."""
    if from_hz == to_hz:
        return samples
    wave = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    with torch.no_grad():
        resampled: NDArray[np.float32] = _resampler(from_hz, to_hz)(wave).numpy()
    return resampled


@lru_cache(maxsize=8)
def _resampler(from_hz: int, to_hz: int) -> torch.nn.Module:
    from torchaudio.transforms import Resample

    module: torch.nn.Module = Resample(from_hz, to_hz)
    return module
