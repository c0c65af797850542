"""Resampling, the mixes of the data set and the joining of fragments give the public numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from GPT_SoVITS.audio import resample
from GPT_SoVITS.dataset import heard_wave, stored_wave
from GPT_SoVITS.joining import at_most_full_scale, join, to_pcm, with_pause
from GPT_SoVITS.resampling import sinc_resample
from tests.engine.golden import golden_file

SOXR_TOLERANCE = 1e-4
"""What the soxr build may change."""


@pytest.fixture(scope="module")
def audio() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/audio.safetensors"))


@pytest.mark.parametrize(
    ("name", "from_hz", "to_hz", "change"),
    [
        ("librosa_32k_to_16k", 32_000, 16_000, resample),
        ("librosa_44k1_to_16k", 44_100, 16_000, resample),
        ("torchaudio_32k_to_16k", 32_000, 16_000, sinc_resample),
        ("torchaudio_32k_to_24k", 32_000, 24_000, sinc_resample),
        ("torchaudio_44k1_to_32k", 44_100, 32_000, sinc_resample),
        ("torchaudio_48k_to_32k", 48_000, 32_000, sinc_resample),
    ],
)
def test_both_resamplers_give_the_public_samples(
    audio: dict[str, Tensor],
    name: str,
    from_hz: int,
    to_hz: int,
    change: Callable[[NDArray[np.float32], int, int], NDArray[np.float32]],
) -> None:
    expected = audio[f"out.{name}"].numpy()
    wave = audio["in.wav" + {32_000: "32k", 44_100: "44k1", 48_000: "48k"}[from_hz]].numpy()
    changed = change(wave, from_hz, to_hz)
    assert changed.shape == expected.shape and changed.dtype == np.float32
    tolerance = SOXR_TOLERANCE if change is resample else SOXR_TOLERANCE * expected.std()
    assert np.abs(changed - expected).max() <= tolerance


def test_the_stored_wave_is_the_public_one(audio: dict[str, Tensor]) -> None:
    stored = stored_wave(audio["in.wav32k"].numpy())
    assert stored.dtype == np.int16
    assert np.array_equal(stored, audio["out.dataset_mix_int16"].numpy())


def test_the_content_encoder_hears_the_public_wave(audio: dict[str, Tensor]) -> None:
    expected = audio["out.dataset_mix_hubert_input_16k"].numpy()
    heard = heard_wave(audio["in.wav32k"].numpy(), 32_000)
    assert heard.shape == expected.shape
    assert np.abs(heard - expected).max() <= SOXR_TOLERANCE * expected.std()


@pytest.fixture(scope="module")
def fragments() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/postprocess.safetensors"))


def test_fragments_become_the_public_recording(fragments: dict[str, Tensor]) -> None:
    first, second, third = (at_most_full_scale(fragments[f"in.fragment.{number}"].numpy()) for number in range(3))

    # In the reordered recording the batches held the pieces 2, 0 and 1 of the text.
    reordered = [with_pause(fragment, 0.01, 32_000) for fragment in (second, third, first)]
    plain = [with_pause(fragment, 0.0, 32_000) for fragment in (first, second, third)]

    for made, name in ((to_pcm(np.concatenate(reordered)), "reordered"), (to_pcm(np.concatenate(plain)), "plain")):
        expected = fragments[f"out.audio_{name}"].numpy()
        assert made.dtype == np.int16 and made.shape == expected.shape
        assert np.abs(made.astype(np.int32) - expected).max() <= 1


def test_overlapping_chunks_are_joined_as_in_public(fragments: dict[str, Tensor]) -> None:
    expected = fragments["out.sola"]
    joined = join([fragments[f"in.sola.{number}"] for number in range(3)], overlap=640, search=320)
    assert joined.shape == expected.shape
    assert (joined - expected).abs().max() <= 1e-4 * torch.std(expected)
