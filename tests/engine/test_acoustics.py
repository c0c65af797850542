"""Measuring speech and making it again from what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from GPT_SoVITS.acoustics import ENVELOPE_BANDS, FRAME_SAMPLES, NOISE_BANDS, RATE_HZ, Acoustics, analyse
from GPT_SoVITS.audio import decode
from GPT_SoVITS.models.harmonic_decoder import sharpened
from GPT_SoVITS.models.harmonic_synthesis import synthesise
from GPT_SoVITS.speaker_similarity import similarity, speaker_vector

CLIP = sorted((Path(__file__).parent.parent / "data" / "allison_en").glob("*.flac"))[0]


def _buzz(pitch_hz: float, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return sum(0.3 / k * np.sin(2 * np.pi * k * pitch_hz * time) for k in range(1, 12)).astype(np.float32)


def _again(frames: Acoustics) -> torch.Tensor:
    return synthesise(Acoustics(frames.pitch_hz[None], frames.voiced[None], frames.envelope[None], frames.noise[None]))


@pytest.mark.parametrize("pitch_hz", [70.0, 110.0, 220.0, 440.0])
def test_the_pitch_of_a_buzz_is_found(pitch_hz: float) -> None:
    frames = analyse(_buzz(pitch_hz))
    inner = slice(5, -5)
    assert frames.voiced[inner].min() == 1
    assert torch.allclose(frames.pitch_hz[inner], torch.tensor(pitch_hz), rtol=0.02)
    assert frames.noise[0, inner].mean() < 0.2


def test_noise_and_silence_are_unvoiced() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ // 2).astype(np.float32) * 0.1
    assert analyse(noise).voiced.mean() < 0.1
    assert analyse(np.zeros(RATE_HZ // 2, np.float32)).voiced.sum() == 0


@pytest.mark.parametrize("samples", [1, 319, 320, 5000, 32_000])
def test_there_is_a_frame_for_every_10_ms(samples: int) -> None:
    frames = analyse(np.full(samples, 0.1, np.float32))
    count = max(1, samples // FRAME_SAMPLES)
    assert frames.pitch_hz.shape == frames.voiced.shape == (count,)
    assert frames.envelope.shape == (ENVELOPE_BANDS, count)
    assert frames.noise.shape == (NOISE_BANDS, count)
    assert all(torch.isfinite(part).all() for part in (frames.pitch_hz, frames.envelope, frames.noise))


def test_speech_keeps_its_loudness_and_its_speaker() -> None:
    samples = decode(CLIP, RATE_HZ).samples
    made = _again(analyse(samples))[0].numpy()
    assert made.shape[0] == len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.15)
    assert similarity(speaker_vector(made, RATE_HZ), speaker_vector(samples, RATE_HZ)) > 0.9


def test_the_same_frames_give_the_same_samples_and_gradients_flow() -> None:
    frames = analyse(_buzz(150.0))
    envelope = frames.envelope.clone().requires_grad_()
    made = _again(Acoustics(frames.pitch_hz, frames.voiced, envelope, frames.noise))
    assert torch.equal(made, _again(frames))
    made.square().mean().backward()
    assert envelope.grad is not None
    assert envelope.grad.abs().sum() > 0


def test_fast_changes_of_an_envelope_are_deepened_and_its_level_stays() -> None:
    # given a level that swings once in two seconds, and one that swings 25 times a second
    seconds = torch.arange(400) / 100
    level, slow, fast = -5.0, (torch.pi * seconds).sin(), (50 * torch.pi * seconds).sin()
    flat = torch.ones(1, ENVELOPE_BANDS, 1)

    made = [sharpened(level + flat * swing)[:, :, 20:-20] for swing in (torch.zeros(400), slow, fast)]

    # then level and slow swing are as they were, and the fast one is half as deep again
    torch.testing.assert_close(made[0], torch.full_like(made[0], level), atol=1e-3, rtol=0)
    torch.testing.assert_close(made[1], (level + flat * slow)[:, :, 20:-20], atol=0.02, rtol=0)
    assert 1.5 < ((made[2] - level).std() / fast.std()).item() < 1.7


def test_an_envelope_of_a_single_frame_is_sharpened() -> None:
    assert sharpened(torch.randn(2, ENVELOPE_BANDS, 1)).isfinite().all()
