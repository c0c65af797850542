"""extract_audio_features: the 32 kHz training wave and the content features of each clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from GPT_SoVITS.audio import decode, read_wav, write_wav
from GPT_SoVITS.content import ContentEncoder, content_encoder, content_wave
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
from pipeline.shards import encoder_device, in_shards, stale_clips, stored_dtype

_FULL_SCALE = np.float32(32_768)


def run(context: StepContext) -> None:
    """Make the features of every stale clip; a clip without usable sound is dropped with its reason."""
    in_shards(context, make)


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    clips = stale_clips(context)
    config = context.inputs.config
    chosen = family(config.family)
    encode = content_encoder(chosen, config.models_dir, encoder_device(config))
    source = context.root / ("denoised_audio" if config.enable_denoise else "sliced_audio")
    for done, item in enumerate(clips):
        context.progress(done, len(clips), item.name)
        try:
            _make(context, item, source / item.name, encode, chosen)
        except AudioError as error:
            context.drop(item, str(error))
    context.progress(len(clips), len(clips))


def _make(context: StepContext, item: Item, clip: Path, encode: ContentEncoder, chosen: Family) -> None:
    rate_hz = chosen.audio.sample_rate_hz
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        wave, features = scratch / "clip.wav", scratch / "features.pt"
        heard = _write_wave(wave, decode(clip, rate_hz).samples, chosen)
        content = encode(heard)
        if not torch.isfinite(content).all():
            raise AudioError("the content encoder gave values that are no numbers; record the sentence again")
        save_features(features, content.to(stored_dtype(context.inputs.config, content)))
        files = {
            f"{relative}/{WAVE_FOLDER}/{item.name}": wave,
            f"{relative}/{CONTENT_FOLDER}/{item.name}.pt": features,
        }
        context.publish(item, files, {"frames": int(content.shape[2])})


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
