"""One decoding step of the text-to-semantic stack: a single position a sequence, with as little overhead as possible.

The same arithmetic as `SemanticTransformer.forward` with a cache (a test compares the two), without its module calls.
At batch 1 a step takes about as long as reading the weights once, so little else may happen in it.

Letters in shape comments: B batch, C width, H heads, D width of a head, S positions in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from GPT_SoVITS.models.semantic_transformer import KeyValueCache, SemanticTransformer, TransformerBlock


class _Weights(NamedTuple):
    """One block; matrices as [in, out]."""

    in_matrix: Tensor
    in_bias: Tensor
    out_matrix: Tensor
    out_bias: Tensor
    first_matrix: Tensor
    first_bias: Tensor
    second_matrix: Tensor
    second_bias: Tensor
    norms: tuple[Tensor, Tensor, Tensor, Tensor]
    """Weight and bias of the norm after the attention, then of the one after the feed-forward part."""


class DecodeStep:
    """Runs the stack of `model` over one new position after those in `cache`."""

    def __init__(self, model: SemanticTransformer, cache: KeyValueCache) -> None:
        blocks = model.blocks()
        self._cache = cache
        self._heads = blocks[0].self_attn.heads
        self._width = blocks[0].self_attn.in_proj_weight.shape[1]
        self._epsilon = blocks[0].norm1.eps
        self._blocks = [_weights(block) for block in blocks]

    def __call__(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the output [B, C] for embedded tokens `x` [B, C].

        Args:
            x: the new position of each sequence.
            mask: added to the attention scores, float [B, 1, 1, S with the new position]; None hides nothing.
        """
        rows, width, norm = x.shape[0], (self._width,), F.layer_norm
        for index, block in enumerate(self._blocks):
            packed = torch.addmm(block.in_bias, x, block.in_matrix)  # [B, 3C]
            heads = packed.view(rows, 3, self._heads, 1, -1).transpose(0, 1)  # [3, B, H, 1, D]
            keys, values = self._cache.append(index, heads[1:]).unbind(0)
            mixed = _attend(heads[0], keys, values, mask)
            x = torch.addmm(block.out_bias, mixed.view(rows, -1), block.out_matrix).add_(x)
            x = norm(x, width, block.norms[0], block.norms[1], self._epsilon)
            inner = torch.addmm(block.first_bias, x, block.first_matrix).relu_()
            inner = torch.addmm(block.second_bias, inner, block.second_matrix).add_(x)
            x = norm(inner, width, block.norms[2], block.norms[3], self._epsilon)
        self._cache.advance(1)
        return x


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Return what each query [B, H, 1, D] takes from `values` [B, H, S, D].

    Two plain products: for a single query, torch's fused attention takes 1.7 times as long on a CPU (measured at batch
    16).
    """
    scores = torch.matmul(query * query.shape[-1] ** -0.5, keys.mT)  # [B, H, 1, S]
    if mask is not None:
        scores += mask
    return torch.matmul(scores.softmax(dim=-1), values)


def store_matrices_by_input(model: nn.Module) -> None:
    """Turn the memory of all linear weights so that those of one input lie side by side; values and shapes stay.

    On a CPU a product with a single row is then a fifth faster (measured on AVX-512: 21 against 26 ms for the 304 MB
    of the public model).
    """
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2 and "embedding" not in name:
            parameter.data = parameter.data.t().contiguous().t()


def _weights(block: TransformerBlock) -> _Weights:
    attention = block.self_attn
    return _Weights(
        attention.in_proj_weight.t(),
        attention.in_proj_bias,
        attention.out_proj.weight.t(),
        attention.out_proj.bias,
        block.linear1.weight.t(),
        block.linear1.bias,
        block.linear2.weight.t(),
        block.linear2.bias,
        (block.norm1.weight, block.norm1.bias, block.norm2.weight, block.norm2.bias),
    )
