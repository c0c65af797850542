"""extract_audio_features: the 32 kHz training wave and the content features of each clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import decode, read_wav, refuse_short, write_wav
from GPT_SoVITS.content import CONTENT_RATE_HZ, content_encoder, content_wave
from GPT_SoVITS.dataset import (
    CONTENT_FOLDER,
    WAVE_FOLDER,
    heard_wave,
    save_features,
    stored_wave,
    training_mix,
)
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family, family
from pipeline.context import StepContext
from pipeline.plan import Item
from pipeline.shards import encoder_device, in_shards, stored_dtype
from pipeline.together import make_together

_WAVE = "clip.wav"
_FULL_SCALE = np.float32(32_768)


def run(context: StepContext) -> None:
    """Make the features of every stale clip; a clip without usable sound is dropped with its reason."""
    in_shards(context, make)


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    config = context.inputs.config
    chosen = family(config.family)
    encode = content_encoder(chosen, config.models_dir, encoder_device(config))
    source = context.root / ("denoised_audio" if config.enable_denoise else "sliced_audio")
    relative = context.experiment.relative_to(context.root)

    def prepare(item: Item, folder: Path) -> NDArray[np.float32]:
        samples = decode(source / item.name, chosen.audio.sample_rate_hz).samples
        heard = _write_wave(folder / _WAVE, samples, chosen)
        refuse_short(heard, CONTENT_RATE_HZ)
        return heard

    def publish(item: Item, _heard: NDArray[np.float32], content: Tensor, folder: Path) -> None:
        if not torch.isfinite(content).all():
            raise AudioError("the content encoder gave values that are no numbers; record the sentence again")
        features = folder / "features.pt"
        save_features(features, content.to(stored_dtype(config, content)))
        files = {
            f"{relative}/{WAVE_FOLDER}/{item.name}": folder / _WAVE,
            f"{relative}/{CONTENT_FOLDER}/{item.name}.pt": features,
        }
        context.publish(item, files, {"frames": int(content.shape[2])})

    make_together(context, prepare, encode, publish)


def _write_wave(path: Path, samples: NDArray[np.float32], chosen: Family) -> NDArray[np.float32]:
    """Write the training wave and return what the content encoder hears: float32 at 16 kHz.

    Public data sets were heard at a level of their own; `nano` hears the wave that it is trained with.
    """
    rate_hz = chosen.audio.sample_rate_hz
    if chosen.content_encoder == "whisper":
        write_wav(path, training_mix(samples), rate_hz)
        return content_wave(read_wav(path).samples, rate_hz)
    write_wav(path, stored_wave(samples).astype(np.float32) / _FULL_SCALE, rate_hz)
    return heard_wave(samples, rate_hz)
