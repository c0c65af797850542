"""Features of a corpus, computed once and kept: content (Whisper), log-mel for the timbre, acoustic frames."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from GPT_SoVITS.acoustics import analyse
from GPT_SoVITS.audio import decode, resample
from GPT_SoVITS.content import CONTENT_RATE_HZ, ContentEncoder
from GPT_SoVITS.dataset import training_mix
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family
from GPT_SoVITS.mel import mel_spectrogram
from GPT_SoVITS.training.base.corpus import Utterance
from GPT_SoVITS.training.base.recipe import BaseRecipe

logger = logging.getLogger(__name__)


def feature_path(cache: Path, utterance: Utterance) -> Path:
    """Return where the features of an utterance lie."""
    return cache / f"{utterance.name}.npz"


def paced_path(cache: Path, utterance: Utterance, turn: int) -> Path:
    """Return where the content features of an utterance at another pace lie."""
    return cache / f"{utterance.name}.pace{turn}.npz"


def extract(
    utterances: Sequence[Utterance],
    cache: Path,
    family: Family,
    encode: ContentEncoder,
    progress: Callable[[int, int], None],
) -> None:
    """Make the features that are not there yet; a recording that cannot be used is left out with a log line."""
    cache.mkdir(parents=True, exist_ok=True)
    for number, utterance in enumerate(utterances):
        progress(number, len(utterances))
        path = feature_path(cache, utterance)
        if path.exists():
            continue
        try:
            _write(path, features(utterance.path, family, encode))
        except AudioError as error:
            logger.warning("%s is left out: %s", utterance.name, error)
    progress(len(utterances), len(utterances))


def features(path: Path, family: Family, encode: ContentEncoder) -> dict[str, NDArray[np.float16]]:
    """Return the float16 features of a recording, all cut to the same T frames of 20 ms (acoustic frames: 2 T).

    content [C, T], mel [bands, T], pitch_hz [2 T], voiced [2 T], envelope [K, 2 T], noise [A, 2 T].

    Raises:
        AudioError: the recording cannot be used.
    """
    rate_hz = family.audio.sample_rate_hz
    wave = training_mix(decode(path, rate_hz).samples)
    content = encode([resample(wave, rate_hz, CONTENT_RATE_HZ)])[0][0]
    mel = mel_spectrogram(torch.from_numpy(wave).unsqueeze(0), family.audio)[0]
    frames = analyse(wave)
    length = min(content.shape[1], mel.shape[1], frames.pitch_hz.shape[0] // 2)
    parts = {
        "content": content[:, :length],
        "mel": mel[:, :length],
        "pitch_hz": frames.pitch_hz[: 2 * length],
        "voiced": frames.voiced[: 2 * length],
        "envelope": frames.envelope[:, : 2 * length],
        "noise": frames.noise[:, : 2 * length],
    }
    return {name: part.numpy().astype(np.float16) for name, part in parts.items()}


def extract_paces(
    utterances: Sequence[Utterance],
    cache: Path,
    encode: ContentEncoder,
    recipe: BaseRecipe,
    progress: Callable[[int, int], None],
) -> None:
    """Make the content features of recordings at other paces that are not there yet.

    Played faster or slower, with its pitch, a recording sounds as if another person had read the same text (speed
    perturbation, Ko et al. 2015). Only the text-to-semantic model learns from it.
    """
    wanted = [(each, turn) for each in utterances if not each.validation for turn in range(recipe.paces)]
    for number, (utterance, turn) in enumerate(wanted):
        progress(number, len(wanted))
        path = paced_path(cache, utterance, turn)
        if path.exists():
            continue
        try:
            content = encode([_paced(utterance, turn, recipe)])[0][0]
        except AudioError as error:
            logger.warning("%s is left out at another pace: %s", utterance.name, error)
            continue
        _write(path, {"content": content.numpy().astype(np.float16)})
    progress(len(wanted), len(wanted))


def _paced(utterance: Utterance, turn: int, recipe: BaseRecipe) -> NDArray[np.float32]:
    """Return a recording at a pace that follows from the seed, its name and the turn: float32 at 16 kHz."""
    draw = random.Random(f"{recipe.seed}/{utterance.name}/{turn}")
    pace = draw.uniform(*draw.choice((recipe.slower, recipe.faster)))
    wave = training_mix(decode(utterance.path, CONTENT_RATE_HZ).samples)
    return resample(wave, round(CONTENT_RATE_HZ * pace), CONTENT_RATE_HZ)


def _write(path: Path, parts: dict[str, NDArray[np.float16]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **parts)
    temporary.replace(path)
