"""Step 3: reduce steady noise in clips, gently, and never make a clip worse.

The noise is learned from the quietest quarter second of the clip itself. Where there is nothing to learn from, or
nothing to gain, or the result is not sound, the clip stays as it is and the artifact says why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from GPT_SoVITS.audio import Samples, read_wav, write_wav
from pipeline.context import StepContext
from pipeline.names import denoised_path, sliced_path
from pipeline.plan import Item

STRENGTH = 0.6
"""Share of the noise that is taken away; more than this begins to be heard in the trained voice."""
NOISE_WINDOW_S = 0.25
FRAME_S = 0.01
CLEAN_DB = 35.0
"""Speech this far above the noise gains nothing."""
BURIED_DB = 6.0
"""A clip whose quietest moment is this near to its speech has no pause to learn from."""
PEAK_MARGIN = 1.1


@dataclass(frozen=True, slots=True)
class Denoised:
    """A clip after noise reduction: float32 [samples], and why it was left alone (or "")."""

    samples: Samples
    note: str = ""


def run(context: StepContext) -> None:
    """Denoise every stale clip."""
    items = context.plan.stale
    for number, item in enumerate(items):
        context.progress(number, len(items), item.name)
        _denoise_clip(context, item)


def denoise(samples: Samples, rate_hz: int) -> Denoised:
    """Return the clip with its steady noise reduced; float32 [samples] in, the same length out."""
    frame = round(FRAME_S * rate_hz)
    whole = len(samples) // frame * frame
    energies = np.square(samples[:whole].reshape(-1, frame), dtype=np.float64).mean(axis=1)
    window = round(NOISE_WINDOW_S / FRAME_S)
    if len(energies) < 2 * window:
        return Denoised(samples, "too short to learn its noise")
    averages = np.convolve(energies, np.full(window, 1 / window), mode="valid")
    quietest = int(np.argmin(averages))
    floor, speech = float(averages[quietest]), float(np.quantile(energies, 0.95))
    if floor <= 1e-12:
        return Denoised(samples, "its pauses are digital silence")
    distance_db = 10 * np.log10(speech / floor)
    if distance_db >= CLEAN_DB:
        return Denoised(samples, "clean already")
    if distance_db <= BURIED_DB:
        return Denoised(samples, "no pause to learn its noise from")
    noise = samples[quietest * frame : (quietest + window) * frame]
    return _checked(samples, _reduce(samples, noise, rate_hz))


def _denoise_clip(context: StepContext, item: Item) -> None:
    clip = read_wav(context.root / sliced_path(item.name))
    made = denoise(clip.samples, clip.rate_hz)
    with context.folder() as folder:
        target = folder / "denoised.wav"
        write_wav(target, made.samples, clip.rate_hz)
        context.publish(item, {denoised_path(item.name): target}, {"note": made.note} if made.note else {})


def _reduce(samples: Samples, noise: Samples, rate_hz: int) -> Samples:
    import noisereduce  # pulls in scipy and matplotlib, so only where it is used

    reduced = noisereduce.reduce_noise(
        y=samples, sr=rate_hz, y_noise=noise, stationary=True, prop_decrease=STRENGTH, n_jobs=1, use_torch=False
    )
    return np.asarray(reduced, dtype=np.float32)


def _checked(before: Samples, after: Samples) -> Denoised:
    if after.shape != before.shape or not np.isfinite(after).all():
        return Denoised(before, "noise reduction failed on it")
    if np.abs(after).max() > PEAK_MARGIN * np.abs(before).max():
        return Denoised(before, "noise reduction made it louder")
    return Denoised(after)
