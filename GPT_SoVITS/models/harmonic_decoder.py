"""Harmonic decoder (`dec` of small families): from one latent a code to acoustic frames, and from these to samples.

The network decides pitch, voicing, spectral envelope and noisiness 100 times a second; `harmonic_synthesis` makes the
sound without any weights. That costs a hundredth of transposed convolutions, and it can be trained frame by frame.
Blocks are ConvNeXt's (Liu et al. 2022, as Vocos uses them), with the timbre scaling and shifting each.
Letters in shape comments: B batch, C width, T codes of 40 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.acoustics import ENVELOPE_BANDS, NOISE_BANDS, Acoustics
from GPT_SoVITS.families import SovitsConfig
from GPT_SoVITS.models.attention import ChannelNorm
from GPT_SoVITS.models.harmonic_synthesis import synthesise

FRAMES_PER_LATENT = 4
CENTRE_HZ = 200.0
"""Pitches are told as the logarithm of their ratio to this one."""
_MEAN_LEVEL, _LEVEL_SPREAD = -6.0, 2.0
"""Mean and standard deviation of the envelope in a model that has no base."""
_KERNEL_SIZE = 7
_WIDENING = 3
_FINE_DEPTH, _FINE_RIPPLES = 1.3, 8
_CHANGE_DEPTH, _SLOW_FRAMES = 1.6, 11
_LOWEST_HZ, _HIGHEST_HZ = 40.0, 1000.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Raw acoustic frames of a batch, before they are made into Acoustics; N = 4 T."""

    pitch: Tensor
    """[B, N]: natural logarithm of pitch / 200 Hz."""
    voicing: Tensor
    """[B, N]: above 0 is voiced."""
    envelope: Tensor
    """[B, K, N]."""
    noise: Tensor
    """[B, A, N]: logit of the share of noise."""

    def acoustics(self) -> Acoustics:
        """Return frames to synthesise from."""
        pitch_hz = (CENTRE_HZ * self.pitch.float().exp()).clamp(_LOWEST_HZ, _HIGHEST_HZ)
        voiced = (self.voicing > 0).float()
        return Acoustics(pitch_hz, voiced, sharpened(self.envelope.float()), self.noise.float().sigmoid())


def sharpened(envelope: Tensor) -> Tensor:
    """Give an envelope [B, K, N] back the contrast that regression takes from it.

    What changes faster than about six times a second becomes 1.6 times as deep: the slower a change, the better it is
    predicted, and the fast ones come out flat (the idea of the modulation spectrum postfilter, Takamichi et al. 2014).
    Of the slow rest, fine ripples become 1.3 times as deep. Figures: docs/decisions/0010.
    """
    slow = _slow_part(envelope)
    return _ripple_depth(envelope.device) @ slow + _CHANGE_DEPTH * (envelope - slow)


def _slow_part(envelope: Tensor) -> Tensor:
    """Average [B, K, N] over 110 ms, weighted by a raised cosine."""
    window = torch.hann_window(_SLOW_FRAMES + 2, periodic=False, device=envelope.device)[1:-1]
    padded = F.pad(envelope, (_SLOW_FRAMES // 2, _SLOW_FRAMES // 2), mode="replicate")
    slow: Tensor = padded.unfold(2, _SLOW_FRAMES, 1) @ (window / window.sum())
    return slow


@lru_cache(maxsize=4)
def _ripple_depth(device: torch.device) -> Tensor:
    """Weights [K, K] that deepen the fine ripples of an envelope: its cepstrum from the ninth coefficient on."""
    with torch.inference_mode(False):
        band = torch.arange(ENVELOPE_BANDS)
        ripples = torch.cos(math.pi * band[:, None] * (band + 0.5) / ENVELOPE_BANDS) * (2 / ENVELOPE_BANDS) ** 0.5
        ripples[0] /= 2**0.5  # [K coefficients, K bands], orthonormal
        depth = 1 + (_FINE_DEPTH - 1) * ((band - 1) / _FINE_RIPPLES).clamp(0, 1)
        deepening: Tensor = ripples.T @ (depth[:, None] * ripples)
        return deepening.to(device)


class TimbreBlock(nn.Module):
    """ConvNeXt block: a convolution along time for each channel, then two along channels, added to the input."""

    def __init__(self, channels: int, style_channels: int) -> None:
        super().__init__()
        self.along_time = nn.Conv1d(channels, channels, _KERNEL_SIZE, padding=_KERNEL_SIZE // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.timbre = nn.Conv1d(style_channels, 2 * channels, 1)
        self.widen = nn.Conv1d(channels, _WIDENING * channels, 1)
        self.narrow = nn.Conv1d(_WIDENING * channels, channels, 1)
        nn.init.zeros_(self.timbre.weight)
        nn.init.zeros_(self.timbre.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.narrow.weight, std=0.02)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Transform x [B, C, T] with timbre [B, gin, 1]."""
        scale, shift = self.timbre(style).chunk(2, dim=1)
        hidden = self.norm(self.along_time(x)) * (1 + scale) + shift
        out: Tensor = x + self.narrow(F.gelu(self.widen(hidden)))
        return out


class HarmonicDecoder(nn.Module):
    """`dec` with the kind `harmonic`."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width = config.harmonic_channels
        self.conv_pre = nn.Conv1d(config.inter_channels, width, 1)
        self.cond = nn.Conv1d(config.gin_channels, width, 1)
        self.blocks = nn.ModuleList(TimbreBlock(width, config.gin_channels) for _ in range(config.harmonic_layers))
        self.norm = ChannelNorm(width)
        self.outputs = 2 + ENVELOPE_BANDS + NOISE_BANDS
        self.head = nn.Conv1d(width, FRAMES_PER_LATENT * self.outputs, 1)
        self.register_buffer("level_mean", torch.full((ENVELOPE_BANDS, 1), _MEAN_LEVEL))
        self.register_buffer("level_spread", torch.full((ENVELOPE_BANDS, 1), _LEVEL_SPREAD))
        self.level_mean: Tensor
        self.level_spread: Tensor

    def set_levels(self, mean: Tensor, spread: Tensor) -> None:
        """Take over mean and standard deviation [K] of the envelopes to come, so that they need not be learnt."""
        self.level_mean.copy_(mean[:, None])
        self.level_spread.copy_(spread[:, None].clamp(min=0.1))

    def predict(self, latent: Tensor, style: Tensor) -> Prediction:
        """Return the acoustic frames of latent [B, inter, T] with timbre style [B, gin, 1]."""
        x = self.conv_pre(latent) + self.cond(style)
        for block in self.blocks:
            x = block(x, style)
        out = self.head(self.norm(x))  # [B, 4 * outputs, T]
        out = out.unflatten(1, (FRAMES_PER_LATENT, self.outputs)).permute(0, 2, 3, 1).flatten(2)  # [B, outputs, 4 T]
        pitch, voicing, envelope, noise = out.split([1, 1, ENVELOPE_BANDS, NOISE_BANDS], dim=1)
        levels = self.level_mean + self.level_spread * envelope.float()
        return Prediction(pitch.squeeze(1), voicing.squeeze(1), levels, noise)

    def forward(self, latent: Tensor, style: Tensor) -> Tensor:
        """Return the wave [B, 1, T * 1280], about -1..1, of latent [B, inter, T] with timbre style [B, gin, 1]."""
        return synthesise(self.predict(latent, style).acoustics()).unsqueeze(1)
