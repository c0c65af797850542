"""Content features: what is said, without who says it. Which encoder makes them is a matter of the family."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import resample
from GPT_SoVITS.base_files import base_files, missing_model
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import Family

CONTENT_RATE_HZ = 16_000

ContentEncoder = Callable[[Sequence[NDArray[np.float32]]], list[Tensor]]
"""Takes waveforms float32 [samples] at 16 kHz, of 25 ms and more, and returns the features of each, float32
[1, ssl_channels, frames] at 50 Hz."""


def content_encoder(family: Family, models_dir: str = "", device: str = "cpu") -> ContentEncoder:
    """Return the content encoder of a family, loaded once a process and device.

    The public families hear with HuBERT. `nano` always hears with Whisper base on the CPU, whatever the device: its
    features feed a fixed codebook, so the same encoder serves whatever model transcribes.

    Raises:
        ModelMissingError: the encoder is not installed.
        CheckpointError: its folder is damaged or holds another kind of model.
    """
    return _whisper(models_dir) if family.content_encoder == "whisper" else _hubert(family, models_dir, device)


def _whisper(models_dir: str) -> ContentEncoder:
    from GPT_SoVITS.whisper import content_features, load_model
    from GPT_SoVITS.whisper_files import locate_model

    model = load_model(locate_model("", models_dir), "cpu", "int8")

    def encode(waves_16k: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        # Each at its own length: this encoder knows no mask.
        return [torch.from_numpy(content_features(wave, model)).unsqueeze(0) for wave in waves_16k]

    return encode


def _hubert(family: Family, models_dir: str, device: str) -> ContentEncoder:
    from GPT_SoVITS.hubert import load_hubert

    folder = base_files(family, models_dir).hubert
    if not folder.is_dir():
        raise missing_model(family, [folder], models_dir)
    encoder = load_hubert(folder.absolute(), device)
    if encoder.channels != family.sovits.ssl_channels:
        raise CheckpointError(f"{folder} gives {encoder.channels} features, {family.sovits.ssl_channels} are needed")
    return encoder


def content_wave(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return what the encoder hears of a waveform float32 [samples]: the same at 16 kHz."""
    return resample(samples, rate_hz, CONTENT_RATE_HZ)
