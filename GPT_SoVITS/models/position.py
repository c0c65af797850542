"""Sinusoidal positions with a learned strength."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_PRECOMPUTED_POSITIONS = 4000
_BASE = 10_000.0


def sine_table(positions: int, channels: int) -> Tensor:
    """Return the table of Vaswani et al. 2017 ("Attention Is All You Need", 3.5): float32 [positions, channels].

    Even channels hold sines, odd ones cosines.
    """
    position = torch.arange(positions, dtype=torch.float32).unsqueeze(1)
    rate = torch.exp(torch.arange(0, channels, 2, dtype=torch.float32) * (-math.log(_BASE) / channels))
    table = torch.empty(positions, channels)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


class SinePosition(nn.Module):
    """Add `alpha` times the sine table to embeddings; `alpha` is learned and starts at 1."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", sine_table(_PRECOMPUTED_POSITIONS, channels), persistent=False)
        self.table: Tensor

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """Return `x` [..., T, C] with positions first, first + 1, ... added, then dropout."""
        end = first + x.shape[-2]
        if end > self.table.shape[0]:
            self.table = sine_table(2 * end, self.table.shape[1]).to(self.table)
        out: Tensor = self.dropout(x + self.alpha * self.table[first:end].to(x.dtype))
        return out
