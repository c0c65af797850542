"""extract_speaker_vectors: who speaks in each clip, for the families that want to know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import read_wav
from GPT_SoVITS.dataset import SPEAKER_FOLDER, WAVE_FOLDER, save_features
from GPT_SoVITS.families import family
from GPT_SoVITS.speaker import speaker_encoder, speaker_wave
from pipeline.context import StepContext
from pipeline.plan import Item
from pipeline.shards import encoder_device, in_shards
from pipeline.together import make_together


def run(context: StepContext) -> None:
    """Make the speaker vector of every stale clip, or note that the family uses none."""
    if not family(context.inputs.config.family).uses_speaker_vector:
        context.notes.append("not used by this family")
        return
    in_shards(context, make)


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    config = context.inputs.config
    encoder = speaker_encoder(family(config.family), config.models_dir, encoder_device(config))
    assert encoder is not None
    relative = context.experiment.relative_to(context.root)

    def prepare(item: Item, _folder: Path) -> NDArray[np.float32]:
        wave = read_wav(context.experiment / WAVE_FOLDER / item.name)
        return speaker_wave(wave.samples, wave.rate_hz)

    def publish(item: Item, _wave: NDArray[np.float32], vector: Tensor, folder: Path) -> None:
        path = folder / "vector.pt"
        save_features(path, vector)
        context.publish(item, {f"{relative}/{SPEAKER_FOLDER}/{item.name}.pt": path})

    make_together(context, prepare, encoder.embed, publish)
