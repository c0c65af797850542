"""Train the text-to-semantic model (s1) by the public recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.gpt_data import GptItem, collate_gpt, gpt_batches
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.recipe import GptRecipe
from GPT_SoVITS.training.scaled_adam import ScaledAdam, semantic_learning_rate


class GptTrainee:
    """The model, its optimiser and the clips. See `loop.Trainee`."""

    def __init__(
        self,
        model: TextToSemantic,
        items: Sequence[GptItem],
        family: Family,
        *,
        recipe: GptRecipe,
        compute: Compute,
        batch_size: int,
    ) -> None:
        self.model = model.to(compute.device).train()
        self.items, self.family, self.recipe = items, family, recipe
        self.compute, self.batch_size = compute, batch_size
        self.optimizer = ScaledAdam(self.model.parameters())
        self.updates = 0

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the items of each batch of an epoch."""
        return gpt_batches([item.seconds for item in self.items], self.batch_size, epoch, self.recipe)

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Add one batch's gradients (not averaged), and update when enough batches are in."""
        made = collate_gpt([self.items[index] for index in items], self.family)
        device = self.compute.device
        parts = (made.phones, made.phones_lengths, made.codes, made.codes_lengths, made.bert)
        with torch.autocast(device.type, self.compute.dtype, enabled=self.compute.dtype is not torch.float32):
            out = self.model(*(part.to(device) for part in parts))
        tokens = int(made.codes_lengths.sum()) + len(items)
        losses = {"gpt": out.loss.item() / tokens, "accuracy": out.accuracy.item()}
        if math.isfinite(losses["gpt"]):
            out.loss.backward()
        rate = semantic_learning_rate(self.updates)
        if self._is_due(batch):
            self._update(rate)
        return {**losses, "learning_rate": rate}

    def _is_due(self, batch: int) -> bool:
        every = self.recipe.batches_per_update
        return every == 1 or (batch > 0 and batch % every == 0)

    def _update(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the states of model and optimiser, and the gradients that wait for the next update."""
        waiting: dict[str, Tensor] = {
            name: parameter.grad for name, parameter in self.model.named_parameters() if parameter.grad is not None
        }
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "updates": self.updates,
            "gradients": waiting,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.updates = state["updates"]
        for name, parameter in self.model.named_parameters():
            gradient = state["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
