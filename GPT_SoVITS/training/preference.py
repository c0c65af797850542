"""Worse versions of a batch's codes for preference training (DPO) of the text-to-semantic model.

What the model is to avoid are repeated and dropped words, so each row gets a stretch repeated or left out. The loss
is `models.text_to_semantic.TextToSemantic.forward` with these codes.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from GPT_SoVITS.models.text_to_semantic import RejectedCodes


def reject_codes(codes: Tensor, lengths: Tensor, rng: random.Random) -> RejectedCodes:
    """Return a damaged copy of each row: with equal chance a stretch of it is said twice, or not at all.

    As in the public trainer the stretch is drawn from the padded row, padding is damaged like codes, and a damaged
    row counts as valid up to its own end; what it lacks to the longest row is filled with zeros.

    Args:
        codes: int64 [B, T], padded on the right.
        lengths: int64 [B]; on its device the returned lengths are.
        rng: where the draws come from: the same state gives the same rows.
    """
    rows = [_damaged(row, rng) for row in codes]
    return RejectedCodes(
        torch.nn.utils.rnn.pad_sequence(rows, batch_first=True),
        torch.tensor([row.shape[0] for row in rows], dtype=torch.int64, device=lengths.device),
    )


def _damaged(row: Tensor, rng: random.Random) -> Tensor:
    first, last = sorted(rng.randrange(row.shape[0]) for _ in range(2))
    stretch, rest = row[first:last], row[last:]
    repeated = rng.random() < 0.5
    return torch.cat([row[:first], stretch, stretch, rest] if repeated else [row[:first], rest])
