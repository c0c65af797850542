"""The post-norm transformer stack of the text-to-semantic model, with a key/value cache for decoding.

Letters in shape comments: B batch, T positions, C width, H heads, D width of a head, S positions in the cache.
Parameter names are those of the public checkpoints (`layers.<i>.self_attn.in_proj_weight`, ...).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from GPT_SoVITS.families import GptConfig

_GROWTH = 256


class KeyValueCache:
    """Keys and values of all layers in preallocated memory that grows in steps of 256 positions."""

    def __init__(self, model: SemanticTransformer, rows: int, positions: int) -> None:
        """Allocate room for `rows` sequences of `positions`, on the device and in the type of `model`."""
        blocks = [block for block in model.layers if isinstance(block, TransformerBlock)]
        attention = blocks[0].self_attn
        weight = attention.in_proj_weight
        shape = (rows, attention.heads, _rounded_up(positions), weight.shape[1] // attention.heads)
        self.keys = [weight.new_empty(shape) for _ in blocks]  # [B, H, S, D] each
        self.values = [weight.new_empty(shape) for _ in blocks]
        self.length = 0

    def reserve(self, positions: int) -> None:
        """Make room for `positions` more; a copy happens once in 256 positions at most."""
        wanted, capacity = self.length + positions, self.keys[0].shape[2]
        if wanted > capacity:
            self.keys = [self._grown(old, _rounded_up(wanted)) for old in self.keys]
            self.values = [self._grown(old, _rounded_up(wanted)) for old in self.values]

    def _grown(self, old: Tensor, capacity: int) -> Tensor:
        new = old.new_empty(old.shape[0], old.shape[1], capacity, old.shape[3])
        new[:, :, : self.length] = old[:, :, : self.length]
        return new

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write new positions [B, H, T, D] of one layer and return all of its keys and values so far.

        `length` moves only when the whole stack has been through (see `advance`).
        """
        end = self.length + keys.shape[2]
        all_keys, all_values = self.keys[layer][:, :, :end], self.values[layer][:, :, :end]
        all_keys[:, :, self.length :] = keys
        all_values[:, :, self.length :] = values
        return all_keys, all_values

    def advance(self, positions: int) -> None:
        """Count `positions` as written in every layer."""
        self.length += positions

    def keep_rows(self, rows: Tensor) -> None:
        """Keep only the sequences whose indices are in `rows` (int64)."""
        self.keys = [keys[rows] for keys in self.keys]
        self.values = [values[rows] for values in self.values]


def _rounded_up(positions: int) -> int:
    return -(-positions // _GROWTH) * _GROWTH


class SelfAttention(nn.Module):
    """Multi-head self-attention with one packed query/key/value projection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None, layer: int = 0) -> Tensor:
        """Attend from `x` [B, T, C] to itself and to what the cache holds; `mask` is True where seeing is allowed.

        Args:
            x: the new positions.
            mask: bool, broadcastable to [B, H, T, all positions], or None for no restriction.
            cache: earlier keys and values, to which those of `x` are appended.
            layer: which layer of the cache is meant.
        """
        rows, length, width = x.shape
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [B, T, 3C]
        query, key, value = packed.view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if cache is not None:
            key, value = cache.append(layer, key, value)  # [B, H, S, D]
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(rows, length, width))
        return out


class TransformerBlock(nn.Module):
    """Attention and a ReLU feed-forward part, each added to its input and normalised after the sum."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.self_attn = SelfAttention(width, config.head, config.p_dropout)
        self.linear1 = nn.Linear(width, config.ffn_dim)
        self.linear2 = nn.Linear(config.ffn_dim, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.p_dropout)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None, layer: int = 0) -> Tensor:
        """Return the block's output [B, T, C]; arguments as in `SelfAttention.forward`."""
        x = self.norm1(x + self.dropout(self.self_attn(x, mask, cache, layer)))
        inner = self.dropout(F.relu(self.linear1(x)))
        out: Tensor = self.norm2(x + self.dropout(self.linear2(inner)))
        return out


class SemanticTransformer(nn.Module):
    """The stack of blocks; there is no norm after the last one."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerBlock(config) for _ in range(config.n_layer))

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None) -> Tensor:
        """Run all blocks over `x` [B, T, C]; with a cache, `x` continues what it holds."""
        if cache is not None:
            cache.reserve(x.shape[1])
        for index, layer in enumerate(self.layers):
            x = layer(x, mask, cache, index)
        if cache is not None:
            cache.advance(x.shape[1])
        return x


def visibility(phones: int, codes: int, device: torch.device) -> Tensor:
    """Return which position may see which: bool [P + T, P + T], rows look at columns."""
    mask = torch.ones(phones + codes, phones + codes, dtype=torch.bool, device=device).tril()
    mask[:phones, :phones] = True
    return mask
