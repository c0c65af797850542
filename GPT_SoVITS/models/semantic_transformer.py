"""The post-norm transformer stack of the text-to-semantic model, with a key/value cache for decoding.

Letters in shape comments: B batch, T positions, C width, H heads, D width of a head, S positions in the cache.
Parameter names are those of the public checkpoints (`layers.<i>.self_attn.in_proj_weight`, ...).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from GPT_SoVITS.families import GptConfig


class KeyValueCache:
    """Keys and values of all layers in memory of a fixed size: one tensor [2, B, H, S, D] a layer, keys first."""

    def __init__(self, model: SemanticTransformer, rows: int, positions: int) -> None:
        """Allocate room for `rows` sequences of `positions`, on the device and in the type of `model`."""
        attention = model.blocks()[0].self_attn
        weight = attention.in_proj_weight
        shape = (2, rows, attention.heads, positions, weight.shape[1] // attention.heads)
        self.layers = [weight.new_empty(shape) for _ in model.layers]
        self.length = 0

    def append(self, layer: int, keys_values: Tensor) -> Tensor:
        """Write new positions [2, B, H, T, D] of one layer and return all of its keys and values so far.

        `length` moves only when the whole stack has been through (see `advance`).
        """
        end = self.length + keys_values.shape[3]
        kept = self.layers[layer][:, :, :, :end]
        kept[:, :, :, self.length :] = keys_values
        return kept

    def advance(self, positions: int) -> None:
        """Count `positions` as written in every layer."""
        self.length += positions

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep only the sequences at these places, in rising order; they move together within the same memory."""
        for index, layer in enumerate(self.layers):
            for target, row in enumerate(rows):
                if target != row:
                    layer[:, target, :, : self.length] = layer[:, row, :, : self.length]
            self.layers[index] = layer[:, : len(rows)]


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
        heads = packed.view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # [3, B, H, T, D]
        query, keys_values = heads[0], heads[1:]
        if cache is not None:
            keys_values = cache.append(layer, keys_values)  # [2, B, H, S, D]
        key, value = keys_values.unbind(0)
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

    def blocks(self) -> list[TransformerBlock]:
        """Return the blocks in order."""
        return [layer for layer in self.layers if isinstance(layer, TransformerBlock)]

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None = None) -> Tensor:
        """Run all blocks over `x` [B, T, C]; with a cache, `x` continues what it holds."""
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
