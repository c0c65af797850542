"""Magnitude and log-mel spectrograms, as the models were trained on them.

Both follow published definitions: the short-time Fourier transform of HiFi-GAN's code base (reflect padding, no
centring, periodic Hann window) and the mel filter bank of Slaney's Auditory Toolbox (area-normalised triangles).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.families import AudioConfig

_MAGNITUDE_FLOOR = 1e-8
_MEL_FLOOR = 1e-5

_LINEAR_HZ_PER_MEL = 200.0 / 3
_LOG_START_HZ = 1000.0
_LOG_START_MEL = _LOG_START_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27


def spectrogram(wave: Tensor, audio: AudioConfig) -> Tensor:
    """Return magnitudes [B, fft / 2 + 1, samples // hop] of wave float [B, samples], -1..1.

    Computed in float32 whatever the dtype of the wave. A wave must be longer than (fft - hop) / 2 samples.
    """
    padding = (audio.fft_samples - audio.hop_samples) // 2
    spectrum = torch.stft(
        F.pad(wave.float().unsqueeze(1), (padding, padding), mode="reflect").squeeze(1),
        n_fft=audio.fft_samples,
        hop_length=audio.hop_samples,
        win_length=audio.window_samples,
        window=_hann_window(audio.window_samples, wave.device),
        center=False,
        return_complex=True,
    )
    return torch.view_as_real(spectrum).square().sum(dim=-1).add(_MAGNITUDE_FLOOR).sqrt()


def mel_from_spectrogram(magnitudes: Tensor, audio: AudioConfig) -> Tensor:
    """Return natural-log mels [B, mel_bands, T] of magnitudes [B, fft / 2 + 1, T]."""
    mel = mel_filter_bank(audio, magnitudes.device, magnitudes.dtype) @ magnitudes
    return mel.clamp(min=_MEL_FLOOR).log()


def mel_spectrogram(wave: Tensor, audio: AudioConfig) -> Tensor:
    """Return natural-log mels [B, mel_bands, samples // hop] of wave float [B, samples], -1..1."""
    return mel_from_spectrogram(spectrogram(wave, audio), audio)


@lru_cache(maxsize=8)
def _hann_window(samples: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # a cached tensor must stay usable in training
        return torch.hann_window(samples, device=device)


@lru_cache(maxsize=8)
def mel_filter_bank(audio: AudioConfig, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the weights [mel_bands, fft / 2 + 1] of triangles from 0 Hz to half the sample rate, of equal area."""
    with torch.inference_mode(False):
        nyquist_hz = audio.sample_rate_hz / 2
        bins_hz = torch.linspace(0, nyquist_hz, audio.spectrogram_channels, dtype=torch.float64)
        mels = torch.linspace(0, _mel_of_hz(nyquist_hz), audio.mel_bands + 2, dtype=torch.float64)
        corners_hz = _hz_of_mel(mels)
        rising = (bins_hz - corners_hz[:-2, None]) / (corners_hz[1:-1] - corners_hz[:-2])[:, None]
        falling = (corners_hz[2:, None] - bins_hz) / (corners_hz[2:] - corners_hz[1:-1])[:, None]
        triangles = torch.minimum(rising, falling).clamp(min=0)
        return (triangles * (2 / (corners_hz[2:] - corners_hz[:-2]))[:, None]).to(device, dtype)


def _mel_of_hz(frequency_hz: float) -> float:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    if frequency_hz < _LOG_START_HZ:
        return frequency_hz / _LINEAR_HZ_PER_MEL
    return _LOG_START_MEL + math.log(frequency_hz / _LOG_START_HZ) / _LOG_STEP


def _hz_of_mel(mels: Tensor) -> Tensor:
    """Undo `_mel_of_hz`."""
    above = _LOG_START_HZ * torch.exp(_LOG_STEP * (mels - _LOG_START_MEL))
    return torch.where(mels < _LOG_START_MEL, mels * _LINEAR_HZ_PER_MEL, above)
