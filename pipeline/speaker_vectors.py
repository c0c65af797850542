"""extract_speaker_vectors: who speaks in each clip, for the families that want to know."""

from __future__ import annotations

from GPT_SoVITS.audio import read_wav
from GPT_SoVITS.dataset import SPEAKER_FOLDER, WAVE_FOLDER, save_features
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import family
from GPT_SoVITS.speaker import SpeakerEncoder, speaker_encoder
from pipeline.context import StepContext
from pipeline.plan import Item
from pipeline.shards import encoder_device, in_shards, stale_clips


def run(context: StepContext) -> None:
    """Make the speaker vector of every stale clip, or note that the family uses none."""
    if not family(context.inputs.config.family).uses_speaker_vector:
        context.notes.append("not used by this family")
        return
    in_shards(context, make)


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    clips = stale_clips(context)
    config = context.inputs.config
    encoder = speaker_encoder(family(config.family), config.models_dir, encoder_device(config))
    assert encoder is not None
    for done, item in enumerate(clips):
        context.progress(done, len(clips), item.name)
        try:
            _make(context, item, encoder)
        except AudioError as error:
            context.drop(item, str(error))
    context.progress(len(clips), len(clips))


def _make(context: StepContext, item: Item, encoder: SpeakerEncoder) -> None:
    wave = read_wav(context.experiment / WAVE_FOLDER / item.name)
    vector = encoder.embed(wave.samples, wave.rate_hz)
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        path = scratch / "vector.pt"
        save_features(path, vector)
        context.publish(item, {f"{relative}/{SPEAKER_FOLDER}/{item.name}.pt": path})
