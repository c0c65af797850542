"""Gated convolution stack with skip connections, conditioned on timbre (WaveNet blocks as VITS uses them)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from GPT_SoVITS.models.weight_norm import WeightNormConv1d

KERNEL_SIZE = 5


class WaveNet(nn.Module):
    """`layers` gated convolutions of equal width; the dilation is always 1."""

    def __init__(self, channels: int, layers: int, style_channels: int) -> None:
        super().__init__()
        self.in_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels, KERNEL_SIZE, padding=KERNEL_SIZE // 2) for _ in range(layers)
        )
        self.res_skip_layers = nn.ModuleList(
            WeightNormConv1d(channels, outputs, 1) for outputs in [2 * channels] * (layers - 1) + [channels]
        )
        self.cond_layer = WeightNormConv1d(style_channels, 2 * channels * layers, 1)

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Transform x [B, C, T] under mask [B, 1, T] with timbre style [B, gin, 1]; returns [B, C, T]."""
        conditions = self.cond_layer(style).chunk(len(self.in_layers), dim=1)  # each [B, 2C, 1]
        *residual_layers, last_layer = zip(self.in_layers, conditions, self.res_skip_layers, strict=True)
        skipped = torch.zeros_like(x)
        for convolution, condition, mix in residual_layers:
            residual, skip = mix(_gate(convolution(x) + condition)).chunk(2, dim=1)
            x = (x + residual) * mask
            skipped = skipped + skip
        convolution, condition, mix = last_layer
        output: Tensor = (skipped + mix(_gate(convolution(x) + condition))) * mask
        return output


def _gate(x: Tensor) -> Tensor:
    """[B, 2C, T] → [B, C, T]"""
    value, gate = x.chunk(2, dim=1)
    return value.tanh() * gate.sigmoid()
