"""What can be measured in a clip without knowing what is said: noise, clipping, loudness, who speaks.

For the data report.
"""

from __future__ import annotations

import base64

import numpy as np

from GPT_SoVITS.audio import Samples
from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.speaker_similarity import speaker_vector

FRAME_S = 0.01
QUIET_SHARE = 0.1
"""The quietest tenth of the frames is taken for the noise between words ..."""
LOUD_QUANTILE = 0.95
"""... and what only a twentieth of them exceeds for speech."""
FULL_SCALE = 0.999
FLAT_SAMPLES = 3
"""So many neighbours at full scale are a clipped peak; a single one is chance."""
SILENCE = 1e-10
"""Mean square at which a frame counts as digital silence (-100 dB of full scale)."""
MOST_DB = 80.0


def measure(samples: Samples, rate_hz: int) -> dict[str, float]:
    """Measure one clip: float32 [samples], -1..1, at least one frame of 10 ms.

    Returns:
        snr_db: loudness of the speech over the quietest moments, 0 to 80;
        clipped: share of the samples in clipped peaks, 0 to 1;
        level_db: mean loudness below full scale.
    """
    frame = round(FRAME_S * rate_hz)
    whole = max(frame, len(samples) // frame * frame)
    framed = np.resize(samples, whole).reshape(-1, frame)
    energies = np.square(framed, dtype=np.float64).mean(axis=1)
    quiet = np.sort(energies)[: max(1, round(QUIET_SHARE * len(energies)))]
    floor = max(float(quiet.mean()), SILENCE)
    speech = max(float(np.quantile(energies, LOUD_QUANTILE)), SILENCE)
    distance_db = 10 * np.log10(max(speech - floor, SILENCE) / floor)
    return {
        "snr_db": round(float(np.clip(distance_db, 0.0, MOST_DB)), 1),
        "clipped": round(_clipped(samples), 6),
        "level_db": round(float(10 * np.log10(max(float(energies.mean()), SILENCE))), 1),
    }


def speaker_mark(samples: Samples, rate_hz: int) -> str:
    """Return who speaks in a clip, as far as the speaker encoder hears it.

    Args:
        samples: float32 [samples], -1..1, mono.
        rate_hz: their rate.

    Returns:
        the unit vector [256], none of whose values is negative, in steps of 1/255 and in base64, which is exact enough
        to compare clips (cosines change by less than 0.005); "" where the encoder is not installed.
    """
    try:
        vector = speaker_vector(samples, rate_hz)
    except ModelMissingError:
        return ""
    return base64.b64encode(np.round(vector * 255).astype(np.uint8).tobytes()).decode("ascii")


def _clipped(samples: Samples) -> float:
    full = np.concatenate([[False], np.abs(samples) >= FULL_SCALE, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(full)).reshape(-1, 2)
    lengths = edges[:, 1] - edges[:, 0]
    return float(lengths[lengths >= FLAT_SAMPLES].sum() / max(1, len(samples)))
