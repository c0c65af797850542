"""Attention over channels-first sequences: a relative-position encoder stack, and cross attention.

Relative positions follow Shaw et al. (2018): a learned vector for each key-minus-query offset within a window is
added to keys and to values; offsets outside the window add nothing. Layers are post-norm.
Shapes: B batch, C channels, T frames or phones, H heads, D = C / H.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WINDOW = 4
"""Largest offset that has a relative-position vector."""
_MASKED_SCORE = -1e4  # finite, so that a sequence without any valid key stays a number, in half precision too


class ChannelNorm(nn.Module):
    """Layer normalisation over the channel dimension of [B, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x [B, C, T]."""
        return F.layer_norm(x.mT, self.gamma.shape, self.gamma, self.beta, eps=1e-5).mT


class _HeadProjections(nn.Module):
    """The projections that both kinds of attention share."""

    def __init__(self, channels: int, heads: int, p_dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.p_dropout = p_dropout
        self.conv_q = nn.Conv1d(channels, channels, 1)
        self.conv_k = nn.Conv1d(channels, channels, 1)
        self.conv_v = nn.Conv1d(channels, channels, 1)
        self.conv_o = nn.Conv1d(channels, channels, 1)
        for projection in (self.conv_q, self.conv_k, self.conv_v):
            nn.init.xavier_uniform_(projection.weight)

    def _split_heads(self, x: Tensor) -> Tensor:
        """[B, C, T] → [B, H, T, D]"""
        batch, channels, frames = x.shape
        return x.view(batch, self.heads, channels // self.heads, frames).mT

    def _join_heads(self, x: Tensor) -> Tensor:
        """Project the attended values: [B, H, T, D] → [B, C, T]"""
        output: Tensor = self.conv_o(x.mT.flatten(1, 2))
        return output


class CrossAttention(_HeadProjections):
    """Multi-head attention of one sequence to another, without positions."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels, heads, p_dropout=0.0)

    def forward(self, query: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        """Attend from `query` to `memory`.

        Args:
            query: [B, C, T].
            memory: keys and values, [B, C, S].
            memory_mask: [B, 1, S], 1 where `memory` is valid; each item needs at least one valid position.

        Returns:
            [B, C, T]; rows of padded queries hold nothing of use.
        """
        q = self._split_heads(self.conv_q(query))
        k = self._split_heads(self.conv_k(memory))
        v = self._split_heads(self.conv_v(memory))
        return self._join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=memory_mask.unsqueeze(1).bool()))


class RelativeSelfAttention(_HeadProjections):
    """Multi-head self-attention with relative positions; the two tables are shared by the heads."""

    def __init__(self, channels: int, heads: int, p_dropout: float) -> None:
        super().__init__(channels, heads, p_dropout)
        width = channels // heads
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attend within x [B, C, T] to the positions where mask [B, 1, T] is 1; returns [B, C, T]."""
        q, k, v = (self._split_heads(project(x)) for project in (self.conv_q, self.conv_k, self.conv_v))
        q = q / math.sqrt(q.shape[-1])
        scores = q @ k.mT + _band_to_square(q @ self.emb_rel_k.mT)  # [B, H, T, T]
        scores = scores.masked_fill(mask.unsqueeze(1) == 0, _MASKED_SCORE)
        weights = F.dropout(scores.softmax(dim=-1), self.p_dropout, self.training)
        return self._join_heads(weights @ v + _square_to_band(weights) @ self.emb_rel_v)


def _band_to_square(band: Tensor) -> Tensor:
    """Place band[..., i, r] at square[..., i, i + r - WINDOW]: [..., T, 2W+1] → [..., T, T], zeros elsewhere.

    Rows padded to T + 2W + 1 and read again with rows of T + 2W move one column to the right per row.
    """
    length = band.shape[-2]
    padded = F.pad(band, (0, length)).flatten(-2)
    skewed = padded[..., : length * (length + 2 * WINDOW)].reshape(*band.shape[:-1], length + 2 * WINDOW)
    return skewed[..., WINDOW : WINDOW + length]


def _square_to_band(square: Tensor) -> Tensor:
    """Undo `_band_to_square`: [..., T, T] → [..., T, 2W+1], zeros where the band leaves the square."""
    length = square.shape[-1]
    skewed = F.pad(square, (WINDOW, WINDOW)).flatten(-2)
    padded = F.pad(skewed, (0, length)).view(*square.shape[:-1], length + 2 * WINDOW + 1)
    return padded[..., : 2 * WINDOW + 1]


class FeedForward(nn.Module):
    """Two convolutions over time with a ReLU between; padded positions read as zero."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, p_dropout: float) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size, padding=kernel_size // 2)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size, padding=kernel_size // 2)
        self.drop = nn.Dropout(p_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Transform x [B, C, T] under mask [B, 1, T]."""
        hidden = self.drop(F.relu(self.conv_1(x * mask)))
        output: Tensor = self.conv_2(hidden * mask) * mask
        return output


class RelativeEncoder(nn.Module):
    """A stack of relative self-attention and feed-forward layers."""

    def __init__(
        self, channels: int, filter_channels: int, heads: int, layers: int, kernel_size: int, p_dropout: float
    ) -> None:
        super().__init__()
        self.drop = nn.Dropout(p_dropout)
        self.attn_layers = nn.ModuleList(RelativeSelfAttention(channels, heads, p_dropout) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(
            FeedForward(channels, filter_channels, kernel_size, p_dropout) for _ in range(layers)
        )
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode x [B, C, T] under mask [B, 1, T]; padded frames of the result are zero."""
        x = x * mask
        for attention, norm_1, feed_forward, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + self.drop(attention(x, mask)))
            x = norm_2(x + self.drop(feed_forward(x, mask)))
        return x * mask
