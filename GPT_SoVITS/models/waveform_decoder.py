"""Waveform decoder (`dec`): from latent frames to samples (HiFi-GAN generator, Kong et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.families import SovitsConfig
from GPT_SoVITS.models.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d

SLOPE = 0.1
LAST_SLOPE = 0.01
"""Published weights were trained with another slope before the last convolution."""


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair with a residual connection."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            WeightNormConv1d(channels, channels, kernel_size, dilation=d, padding=d * (kernel_size - 1) // 2)
            for d in dilations
        )
        self.convs2 = nn.ModuleList(
            WeightNormConv1d(channels, channels, kernel_size, padding=(kernel_size - 1) // 2) for _ in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform x [B, C, T]."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            hidden = dilated(F.leaky_relu(x, SLOPE))
            x = x + plain(F.leaky_relu(hidden, SLOPE, inplace=True))
        return x


class WaveformDecoder(nn.Module):
    """`dec`: transposed convolutions up to the sample rate, residual blocks of several widths after each."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width = config.upsample_initial_channel
        widths = [width // 2 ** (stage + 1) for stage in range(len(config.upsample_rates))]
        self.conv_pre = nn.Conv1d(config.inter_channels, width, 7, padding=3)
        self.ups = nn.ModuleList(
            WeightNormConvTranspose1d(2 * channels, channels, kernel, stride=rate, padding=(kernel - rate) // 2)
            for channels, rate, kernel in zip(widths, config.upsample_rates, config.upsample_kernel_sizes, strict=True)
        )
        shapes = list(zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True))
        self.blocks_per_stage = len(shapes)
        self.resblocks = nn.ModuleList(ResidualBlock(channels, *shape) for channels in widths for shape in shapes)
        self.conv_post = nn.Conv1d(widths[-1], 1, 7, padding=3, bias=False)
        self.cond = nn.Conv1d(config.gin_channels, width, 1)

    def forward(self, latent: Tensor, style: Tensor) -> Tensor:
        """Return the wave [B, 1, T · hop], -1..1, of latent [B, inter, T] with timbre style [B, gin, 1]."""
        x = self.conv_pre(latent) + self.cond(style)
        for stage, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, SLOPE))
            first, *others = self.resblocks[stage * self.blocks_per_stage : (stage + 1) * self.blocks_per_stage]
            total = first(x)
            for block in others:
                total = total + block(x)
            x = total / self.blocks_per_stage
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))
