"""What both trainers of a direct family share: batches by length, rates, and keeping the best of what was learnt."""

from __future__ import annotations

import copy
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.training.loop import Losses

_POOL = 64
"""Batches whose items are put in order of length together, so that little is padded and much is mixed."""
_JUDGED_TOGETHER = 8
_JUDGED_EVERY = 8
_LEAST_TO_DIVIDE = 6


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
    least_batches: int = 1
    """A small set is gone through several times an epoch, until it has so many batches."""
    gradient_norm: float = 1.0
    """Longer gradients are shortened to this."""
    misheard_share: float = 0.0
    """At most so many of the codes that a network reads are drawn anew; see `alignment.misheard`."""
    unheard_share: float = 0.0
    """So many of the clips are learnt from their phones alone."""


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


class _Clip(Protocol):
    @property
    def codes(self) -> Tensor:
        """Int64 [N]."""


Clip = TypeVar("Clip", bound=_Clip)


@dataclass(frozen=True, slots=True)
class Best:
    """The weights that did best on the clips kept out."""

    loss: float
    weights: dict[str, Tensor]


class DirectTrainee(ABC, Generic[Clip]):
    """Model, optimiser and clips of a direct family; a subclass says what the losses are. See `loop.Trainee`."""

    def __init__(
        self, model: nn.Module, items: Sequence[Clip], kept_out: Sequence[Clip], schedule: Schedule, compute: Compute
    ) -> None:
        """Prepare to train.

        Args:
            model: its parameters that require gradients learn.
            items: clips to learn from.
            kept_out: clips to judge by after each epoch; without any, the last weights count as the best.
            schedule: how fast.
            compute: where, and in which precision.
        """
        self.network = model.to(compute.device).train()
        self.items, self.kept_out = items, kept_out
        self.schedule, self.compute = schedule, compute
        self.learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.learning, lr=schedule.learning_rate, betas=(0.9, 0.98), eps=1e-9, weight_decay=schedule.weight_decay
        )
        self.updates = 0
        self.best: Best | None = None
        self.judged_epochs = 0

    @abstractmethod
    def parts(self, items: Sequence[Clip], *, training: bool) -> dict[str, Tensor]:
        """Return the parts of the loss of a batch by name; they add up to what is made smaller."""

    def batches(self, epoch: int) -> list[list[int]]:
        """Judge what was learnt so far, then return the items of each batch of an epoch."""
        if self.updates and self.judged_epochs != epoch:
            self.judge(epoch)
            self.judged_epochs = epoch  # an epoch that is resumed half-way is not judged again
        once = length_batches([len(item.codes) for item in self.items], self.schedule.batch_codes, epoch)
        turns = -(-self.schedule.least_batches // len(once))
        later = (
            length_batches([len(item.codes) for item in self.items], self.schedule.batch_codes, epoch + 7919 * turn)
            for turn in range(1, turns)
        )
        return [*once, *(batch for turn in later for batch in turn)]

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Learn from one batch."""
        rate = rate_at(self.schedule, self.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self._precision():
            parts = self.parts([self.items[index] for index in items], training=True)
        total = torch.stack(list(parts.values())).sum()
        losses = {"total": total.item(), **{name: part.item() for name, part in parts.items()}}
        if math.isfinite(losses["total"]):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(total)
            torch.nn.utils.clip_grad_norm_(self.learning, self.schedule.gradient_norm)
            self.optimizer.step()
        self.updates += 1
        return {**losses, "learning_rate": rate}

    def judge(self, epoch: int) -> Losses:
        """Return the losses on the clips kept out after `epoch` epochs, and keep the weights if they are the best."""
        if not self.kept_out:
            return {}
        self.network.eval()
        sums: Losses = {}
        with torch.inference_mode(), self._precision():
            for start in range(0, len(self.kept_out), _JUDGED_TOGETHER):
                group = self.kept_out[start : start + _JUDGED_TOGETHER]
                for name, part in self.parts(group, training=False).items():
                    sums[name] = sums.get(name, 0.0) + part.item() * len(group) / len(self.kept_out)
        self.network.train()
        total = sum(sums.values())
        if self.best is None or total < self.best.loss:
            self.best = Best(total, copy.deepcopy(self.network.state_dict()))
        return sums

    def finish(self, epochs: int) -> None:
        """Judge the last epoch and put the best weights into the model, ready to be written."""
        self.judge(epochs)
        if self.best is not None:
            self.network.load_state_dict(self.best.weights)
        self.network.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return the states of model and optimiser, and the best weights."""
        best = None if self.best is None else {"loss": self.best.loss, "weights": self.best.weights}
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
            "best": best,
            "judged_epochs": self.judged_epochs,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back."""
        self.network.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]
        self.judged_epochs = state.get("judged_epochs", 0)
        best = state.get("best")
        self.best = None if best is None else Best(best["loss"], best["weights"])

    def _precision(self) -> torch.autocast:
        device = self.compute.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.compute.dtype is torch.bfloat16)


def keep_out(items: Sequence[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Divide the clips of a voice into those to learn from and those to judge by: every eighth of at least six."""
    if len(items) < _LEAST_TO_DIVIDE:
        return list(items), []
    judged = [item for number, item in enumerate(items) if number % _JUDGED_EVERY == _JUDGED_EVERY // 2]
    return [item for number, item in enumerate(items) if number % _JUDGED_EVERY != _JUDGED_EVERY // 2], judged
