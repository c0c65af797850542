"""From acoustic frames to samples: a pulse train and noise, shaped by a minimum-phase filter frame by frame.

Pulses carry all harmonics of the pitch with equal power, so that both excitations have the same power density; the
share of noise divides the power between them. Differentiable in everything but the noise itself.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.acoustics import (
    ENVELOPE_BANDS,
    FFT_SAMPLES,
    FRAME_SAMPLES,
    NOISE_EDGES_HZ,
    RATE_HZ,
    Acoustics,
    band_weights,
)

_WINDOW_SAMPLES = 1024
_SINGULAR = 1e-4


def synthesise(acoustics: Acoustics) -> Tensor:
    """Return waves [B, N * 320] at 32 kHz of a batch of frames (see Acoustics, with a leading dimension B)."""
    samples = acoustics.pitch_hz.shape[1] * FRAME_SAMPLES
    pitch = _at_samples(acoustics.pitch_hz)
    voiced = _at_samples(acoustics.voiced)
    pulses = _spectra(_pulses(pitch) * voiced.sqrt())
    noise = _spectra(_white_noise(samples, pitch.device).expand(pitch.shape[0], -1))
    share = _noise_share(acoustics)
    shaped = (pulses * (1 - share).sqrt() + noise * share.sqrt()) * _minimum_phase(acoustics.envelope)
    return _overlapped(shaped, samples)


def _at_samples(frames: Tensor) -> Tensor:
    """Values [B, N] at the middle of each frame → [B, N * 320], in straight lines."""
    size = frames.shape[1] * FRAME_SAMPLES
    return F.interpolate(frames.unsqueeze(1), size=size, mode="linear", align_corners=False).squeeze(1)


def _pulses(pitch_hz: Tensor) -> Tensor:
    """Return the sum of all cosines of the pitch below half the rate, of unit power: [B, samples]."""
    turns = torch.cumsum((pitch_hz / RATE_HZ).double(), dim=1)
    angle = ((turns % 1.0) * (2 * math.pi)).float()
    harmonics = (RATE_HZ / 2 / pitch_hz).floor()
    half = torch.sin(angle / 2)
    kernel = torch.sin((harmonics + 0.5) * angle) / torch.where(half.abs() < _SINGULAR, _SINGULAR, half) / 2 - 0.5
    kernel = torch.where(half.abs() < _SINGULAR, harmonics, kernel)
    return kernel * (2 * pitch_hz / (RATE_HZ / 2)).sqrt()


@lru_cache(maxsize=4)
def _noise_of(seconds: int) -> Tensor:
    with torch.inference_mode(False):
        return torch.randn(seconds * RATE_HZ, generator=torch.Generator().manual_seed(0))


def _white_noise(samples: int, device: torch.device) -> Tensor:
    """The same noise every time, so that the same codes give the same samples: [samples]."""
    return _noise_of(-(-samples // RATE_HZ))[:samples].to(device)


def _window(device: torch.device) -> Tensor:
    return torch.hann_window(_WINDOW_SAMPLES, device=device)


def _spectra(wave: Tensor) -> Tensor:
    """Return spectra [B, bins, N] of waves [B, N * 320], frames centred as those of Acoustics are."""
    margin = (_WINDOW_SAMPLES - FRAME_SAMPLES) // 2
    cut = F.pad(wave, (margin, margin)).unfold(1, _WINDOW_SAMPLES, FRAME_SAMPLES)  # [B, N, window]
    spectra: Tensor = torch.fft.rfft(cut * _window(wave.device), FFT_SAMPLES).mT
    return spectra


def _overlapped(spectra: Tensor, samples: int) -> Tensor:
    """Undo `_spectra`: add the frames up; filters may ring on into the zero padding behind each window."""
    margin = (_WINDOW_SAMPLES - FRAME_SAMPLES) // 2
    cut = torch.fft.irfft(spectra.mT, FFT_SAMPLES)  # [B, N, fft]
    frames = cut.shape[1]
    total = (frames - 1) * FRAME_SAMPLES + FFT_SAMPLES
    wave = F.fold(cut.mT, (1, total), (1, FFT_SAMPLES), stride=(1, FRAME_SAMPLES)).flatten(1)
    wave = wave[:, margin : margin + samples]
    # Hann windows that overlap more than twice add up to this constant, edges aside.
    return wave / (_WINDOW_SAMPLES / 2 / FRAME_SAMPLES)


def _minimum_phase(envelope: Tensor) -> Tensor:
    """Return the complex filter [B, bins, N] whose magnitude follows the envelope [B, K, N]."""
    log_magnitude = _band_spread(envelope.device).T @ envelope
    cepstrum = torch.fft.irfft(log_magnitude.mT.to(torch.complex64), FFT_SAMPLES)  # [B, N, fft]
    half = FFT_SAMPLES // 2
    causal = torch.cat([cepstrum[..., :1], 2 * cepstrum[..., 1:half], cepstrum[..., half : half + 1]], dim=-1)
    filters: Tensor = torch.fft.rfft(causal, FFT_SAMPLES).exp().mT
    return filters


@lru_cache(maxsize=4)
def _band_spread(device: torch.device) -> Tensor:
    """Weights [K, bins] that lead a straight line between the centres of the envelope's bands."""
    with torch.inference_mode(False):
        bins = FFT_SAMPLES // 2 + 1
        centres = (band_weights() * torch.arange(bins)).sum(dim=1)  # [K], in bins
        places = torch.arange(bins, dtype=torch.float32).clamp(float(centres[0]), float(centres[-1]))
        right = torch.searchsorted(centres, places).clamp(1, ENVELOPE_BANDS - 1)
        share = (places - centres[right - 1]) / (centres[right] - centres[right - 1])
        weights = torch.zeros(ENVELOPE_BANDS, bins)
        weights.scatter_(0, right[None] - 1, (1 - share)[None])
        weights.scatter_(0, right[None], share[None])
        return weights.to(device)


@lru_cache(maxsize=4)
def _noise_spread(device: torch.device) -> Tensor:
    """Weights [A, bins] that give each bin the value of its band."""
    with torch.inference_mode(False):
        bins_hz = torch.linspace(0, RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
        edges = torch.tensor(NOISE_EDGES_HZ[1:-1], dtype=torch.float32)
        band = torch.bucketize(bins_hz, edges, right=True)
        return F.one_hot(band, len(NOISE_EDGES_HZ) - 1).float().T.contiguous().to(device)


def _noise_share(acoustics: Acoustics) -> Tensor:
    """Share of noise of each bin [B, bins, N]; all of it where nothing is voiced."""
    share = _noise_spread(acoustics.noise.device).T @ acoustics.noise
    voiced = acoustics.voiced.unsqueeze(1)
    return (voiced * share + 1 - voiced).clamp(1e-4, 1 - 1e-4)
