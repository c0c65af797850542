"""Discriminators of the waveform: one over samples (MelGAN's) and one for each period (HiFi-GAN's)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.families import SovitsConfig
from GPT_SoVITS.models.weight_norm import WeightNormConv1d, WeightNormConv2d

SLOPE = 0.1
_WAVE_SHAPES = ((15, 1), (41, 4), (41, 4), (41, 4), (41, 4), (5, 1))
"""Kernel size and stride of the six convolutions over samples."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one discriminator says: score [B, positions] (1 is real) and the maps that led to it, first to last."""

    score: Tensor
    feature_maps: tuple[Tensor, ...]


class _Discriminator(nn.Module):
    """Convolutions with leaky ReLU, then a last one to a single channel."""

    convs: nn.ModuleList
    conv_post: nn.Module

    def _judge(self, x: Tensor) -> Judgement:
        maps: list[Tensor] = []
        for convolution in self.convs:
            x = F.leaky_relu(convolution(x), SLOPE, inplace=True)
            maps.append(x)
        x = self.conv_post(x)
        return Judgement(x.flatten(1), (*maps, x))


class WaveDiscriminator(_Discriminator):
    """Judges the samples themselves."""

    def __init__(self, channels: tuple[int, ...], groups: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            WeightNormConv1d(inputs, outputs, kernel, stride=stride, groups=group, padding=kernel // 2)
            for (inputs, outputs), group, (kernel, stride) in zip(
                pairwise((1, *channels)), groups, _WAVE_SHAPES, strict=True
            )
        )
        self.conv_post = WeightNormConv1d(channels[-1], 1, 3, padding=1)

    def forward(self, wave: Tensor) -> Judgement:
        """Judge wave [B, 1, samples]; 7 feature maps [B, C, T]."""
        return self._judge(wave)


class PeriodDiscriminator(_Discriminator):
    """Judges every `period`-th sample together."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        strides = (*(3 for _ in channels[1:]), 1)
        self.convs = nn.ModuleList(
            WeightNormConv2d(inputs, outputs, (5, 1), stride=(stride, 1), padding=(2, 0))
            for (inputs, outputs), stride in zip(pairwise((1, *channels)), strides, strict=True)
        )
        self.conv_post = WeightNormConv2d(channels[-1], 1, (3, 1), padding=(1, 0))

    def forward(self, wave: Tensor) -> Judgement:
        """Judge wave [B, 1, samples]; 6 feature maps [B, C, T / period, period]."""
        missing = -wave.shape[-1] % self.period
        if missing:
            wave = F.pad(wave, (0, missing), mode="reflect")
        return self._judge(wave.reshape(wave.shape[0], 1, -1, self.period))


class SovitsDiscriminator(nn.Module):
    """All discriminators of a family: the waveform's first, then one for each period."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            [
                WaveDiscriminator(config.discriminator_wave_channels, config.discriminator_wave_groups),
                *(
                    PeriodDiscriminator(period, config.discriminator_channels)
                    for period in config.discriminator_periods
                ),
            ]
        )

    def forward(self, wave: Tensor) -> list[Judgement]:
        """Judge wave [B, 1, samples], -1..1; one judgement a discriminator."""
        return [discriminator(wave) for discriminator in self.discriminators]
