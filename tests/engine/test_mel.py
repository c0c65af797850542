"""Spectrograms agree with the public ones and behave as spectrograms should."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from GPT_SoVITS.families import AudioConfig
from GPT_SoVITS.mel import mel_filter_bank, mel_from_spectrogram, mel_spectrogram, spectrogram
from tests.engine.golden import golden_file

AUDIO = AudioConfig()


@pytest.fixture(scope="module")
def vectors() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/mel.safetensors"))


def _assert_close(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= 1e-4 * expected.std()


def test_the_spectrogram_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    _assert_close(spectrogram(vectors["in.wav32k"], AUDIO), vectors["out.spec"])


def test_the_mel_of_a_spectrogram_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    _assert_close(mel_from_spectrogram(vectors["out.spec"], AUDIO), vectors["out.mel"])


def test_the_mel_of_a_wave_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    _assert_close(mel_spectrogram(vectors["in.wav32k"], AUDIO), vectors["out.mel_direct"])


@settings(max_examples=20, deadline=None)
@given(samples=st.integers(min_value=705, max_value=20_000))
def test_a_wave_gives_one_frame_for_each_whole_hop(samples: int) -> None:
    wave = torch.linspace(-1, 1, samples).unsqueeze(0)
    frames = samples // AUDIO.hop_samples
    if frames == 0:
        return
    assert spectrogram(wave, AUDIO).shape == (1, AUDIO.spectrogram_channels, frames)
    assert mel_spectrogram(wave, AUDIO).shape == (1, AUDIO.mel_bands, frames)


@pytest.mark.parametrize("frequency_hz", [250.0, 1000.0, 4000.0, 12_000.0])
def test_a_tone_is_loudest_in_the_band_around_its_frequency(frequency_hz: float) -> None:
    time_s = torch.arange(AUDIO.sample_rate_hz) / AUDIO.sample_rate_hz
    mel = mel_spectrogram(torch.sin(2 * math.pi * frequency_hz * time_s).unsqueeze(0), AUDIO)
    band = int(mel[0, :, 20].argmax())
    nearest_bin = round(frequency_hz / AUDIO.sample_rate_hz * AUDIO.fft_samples)
    assert mel_filter_bank(AUDIO, torch.device("cpu"))[band, nearest_bin] > 0


def test_silence_has_finite_mels() -> None:
    assert mel_spectrogram(torch.zeros(1, 6400), AUDIO).isfinite().all()


def test_gradients_flow_to_the_wave_after_a_first_use_in_inference_mode() -> None:
    audio = AudioConfig(fft_samples=512, hop_samples=160, window_samples=512, mel_bands=20)
    with torch.inference_mode():
        mel_spectrogram(torch.zeros(1, 3200), audio)
    wave = torch.randn(1, 3200, requires_grad=True)
    mel_spectrogram(wave, audio).sum().backward()
    assert wave.grad is not None and wave.grad.isfinite().all()
