"""Step 1: any recording becomes a mono 16-bit WAV file at the family's rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from GPT_SoVITS.audio import Samples, decode_blocks, write_wav_blocks
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import family
from pipeline.context import StepContext
from pipeline.names import converted_path, problem_with_name
from pipeline.plan import Item

SHORTEST_S = 0.6
"""Nothing shorter can be trained on."""
SILENCE_DBFS = -60.0
"""A recording whose loudest sample is below this holds no sound."""


@dataclass(slots=True)
class Sound:
    """What was learned about a recording while it went by."""

    samples: int = 0
    peak: float = 0.0


def run(context: StepContext) -> None:
    """Convert every stale recording; one that cannot be used is dropped with its reason."""
    rate_hz = family(context.inputs.config.family).audio.sample_rate_hz
    items = context.plan.stale
    for number, item in enumerate(items):
        context.progress(number, len(items), item.name)
        convert(context, item, rate_hz)


def convert(context: StepContext, item: Item, rate_hz: int) -> None:
    """Convert one recording in bounded memory.

    Raises:
        OSError: the disk is full or fails; the item is left for another try.
    """
    if problem := problem_with_name(item.name):
        context.drop(item, problem)
        return
    sound = Sound()
    with context.folder() as folder:
        target = folder / "converted.wav"
        try:
            blocks = decode_blocks(context.root / "raw_audio" / item.name, rate_hz)
            write_wav_blocks(target, _observed(blocks, sound, context), rate_hz)
            check_usable(sound.samples / rate_hz, sound.peak)
        except AudioError as error:
            context.drop(item, str(error))
            return
        facts = {"duration_s": round(sound.samples / rate_hz, 3), "rate_hz": rate_hz, "peak": round(sound.peak, 4)}
        context.publish(item, {converted_path(item.name): target}, facts)


def check_usable(duration_s: float, peak: float) -> None:
    """Refuse sound that nothing can be learned from.

    Raises:
        AudioError: too short or silent.
    """
    if duration_s < SHORTEST_S:
        raise AudioError(f"the recording is too short: {duration_s:.2f} s, at least {SHORTEST_S} s are needed")
    if peak < 10 ** (SILENCE_DBFS / 20):
        raise AudioError(
            f"the recording is silent: nothing in it is louder than {SILENCE_DBFS:.0f} dB below full scale"
        )


def _observed(blocks: Iterator[Samples], sound: Sound, context: StepContext) -> Iterator[Samples]:
    for block in blocks:
        context.check()
        sound.samples += len(block)
        sound.peak = max(sound.peak, float(np.abs(block).max(initial=0.0)))
        yield block
