"""extract_audio_features: the 32 kHz training wave and the content features of each clip."""

from __future__ import annotations

from pathlib import Path

import torch

from GPT_SoVITS.audio import decode, read_wav, write_wav
from GPT_SoVITS.content import ContentEncoder, content_encoder, content_wave
from GPT_SoVITS.dataset import CONTENT_FOLDER, WAVE_FOLDER, save_features, training_mix
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family, family
from pipeline.context import StepContext
from pipeline.plan import Item


def run(context: StepContext) -> None:
    """Make the features of every stale clip; a clip without usable sound is dropped with its reason."""
    stale = context.plan.stale
    if not stale:
        return
    config = context.inputs.config
    chosen = family(config.family)
    encode = content_encoder(chosen, config.models_dir)
    source = context.root / ("denoised_audio" if config.enable_denoise else "sliced_audio")
    for done, item in enumerate(stale):
        context.progress(done, len(stale), item.name)
        try:
            _make(context, item, source / item.name, encode, chosen)
        except AudioError as error:
            context.drop(item, str(error))
    context.progress(len(stale), len(stale))


def _make(context: StepContext, item: Item, clip: Path, encode: ContentEncoder, chosen: Family) -> None:
    rate_hz = chosen.audio.sample_rate_hz
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        wave, features = scratch / "clip.wav", scratch / "features.pt"
        write_wav(wave, training_mix(decode(clip, rate_hz).samples), rate_hz)
        content = encode(content_wave(read_wav(wave).samples, rate_hz))
        if not torch.isfinite(content).all():
            raise AudioError("the content encoder gave values that are no numbers; record the sentence again")
        save_features(features, content)
        files = {
            f"{relative}/{WAVE_FOLDER}/{item.name}": wave,
            f"{relative}/{CONTENT_FOLDER}/{item.name}.pt": features,
        }
        context.publish(item, files, {"frames": int(content.shape[2])})
