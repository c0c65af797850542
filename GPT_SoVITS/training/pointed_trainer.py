"""Train a text-to-semantic model that has a pointer: mean losses, AdamW, one update a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.text_to_semantic import PointedOutput, TextToSemantic
from GPT_SoVITS.training.direct_batches import Schedule, length_batches, optimizer_of, rate_at
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.sovits_data import pad_rows

_GRADIENT_NORM = 1.0


class PointedTrainee:
    """The model, its optimiser and the clips. See `loop.Trainee`."""

    def __init__(
        self,
        model: TextToSemantic,
        items: Sequence[GptItem],
        family: Family,
        *,
        schedule: Schedule,
        compute: Compute,
    ) -> None:
        self.model = model.to(compute.device).train()
        self.items, self.family, self.schedule, self.compute = items, family, schedule, compute
        self.optimizer = optimizer_of(self.model, schedule)
        self.updates = 0

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the items of each batch of an epoch."""
        return length_batches([len(item.codes) for item in self.items], self.schedule.batch_codes, epoch)

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Learn from one batch."""
        rate = rate_at(self.schedule, self.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        out = self.losses([self.items[index] for index in items])
        losses = {"gpt": out.loss.item(), "codes": out.code_loss.item(), "steps": out.step_loss.item()}
        if math.isfinite(losses["gpt"]):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(out.loss)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), _GRADIENT_NORM)
            self.optimizer.step()
        self.updates += 1
        return {**losses, "learning_rate": rate}

    def losses(self, items: Sequence[GptItem]) -> PointedOutput:
        """Return the losses of a batch, in training or in evaluation as the model is set."""
        device = self.compute.device
        parts = (
            pad_rows([item.phones for item in items]),
            torch.tensor([item.phones.shape[0] for item in items]),
            pad_rows([item.codes for item in items], self.family.gpt.eos),
            torch.tensor([item.codes.shape[0] for item in items]),
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=self.compute.dtype is torch.bfloat16):
            return self.model.pointed_losses(*(part.to(device) for part in parts))

    def state_dict(self) -> dict[str, Any]:
        """Return the states of model and optimiser."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]
