"""What both trainers of a direct family share: batches by length, and the optimiser with its rates."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

_POOL = 64
"""Batches whose items are put in order of length together, so that little is padded and much is mixed."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a direct family learns."""

    learning_rate: float
    total_updates: int
    """The rate falls to a tenth along half a cosine over so many updates, and stays there."""
    warmup_updates: int = 200
    batch_codes: int = 1500
    """Codes (40 ms each) a batch, padding not counted."""
    weight_decay: float = 0.01


def rate_at(schedule: Schedule, update: int) -> float:
    """Return the learning rate of an update (0, 1, ...)."""
    if update < schedule.warmup_updates:
        return schedule.learning_rate * (update + 1) / schedule.warmup_updates
    done = (update - schedule.warmup_updates) / max(1, schedule.total_updates - schedule.warmup_updates)
    return schedule.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, done))))


def length_batches(lengths: Sequence[int], batch_codes: int, epoch: int) -> list[list[int]]:
    """Return the batches of one epoch as indices of items of similar length; the order follows from the epoch alone.

    Args:
        lengths: codes of each item.
        batch_codes: a batch ends when it holds so many codes.
        epoch: 0, 1, ...
    """
    order = list(range(len(lengths)))
    mixer = random.Random(epoch)
    mixer.shuffle(order)
    mean = max(1, sum(lengths) // max(1, len(lengths)))
    pool = _POOL * max(1, batch_codes // mean)
    batches: list[list[int]] = []
    for start in range(0, len(order), pool):
        batch: list[int] = []
        for index in sorted(order[start : start + pool], key=lambda item: lengths[item]):
            batch.append(index)
            if sum(lengths[each] for each in batch) >= batch_codes:
                batches.append(batch)
                batch = []
        if batch:
            batches.append(batch)
    mixer.shuffle(batches)
    return batches


def optimizer_of(model: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """Return AdamW over all weights that learn."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        learning, lr=schedule.learning_rate, betas=(0.9, 0.98), eps=1e-9, weight_decay=schedule.weight_decay
    )
