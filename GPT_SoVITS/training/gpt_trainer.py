"""Train the text-to-semantic model (s1) by the public recipe."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.text_to_semantic import RejectedCodes, TextToSemantic
from GPT_SoVITS.training.division import Division
from GPT_SoVITS.training.gpt_data import GptBatch, GptItem, collate_gpt, gpt_batches
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.parallel import ALONE, Group
from GPT_SoVITS.training.preference import reject_codes
from GPT_SoVITS.training.recipe import GptRecipe
from GPT_SoVITS.training.scaled_adam import ScaledAdam, semantic_learning_rate
from GPT_SoVITS.training.update import apply_gradients, gradient_scaler, norm_entry


@dataclass(frozen=True, slots=True)
class GptSetup:
    """What a training of this model works with; `batch_size` counts for each process of the group."""

    family: Family
    recipe: GptRecipe
    compute: Compute
    batch_size: int
    group: Group = ALONE


class GptTrainee:
    """The model, its optimiser and the clips. See `loop.Trainee`."""

    def __init__(self, model: TextToSemantic, items: Sequence[GptItem], setup: GptSetup) -> None:
        self.model = model.to(setup.compute.device).train()
        self.items, self.setup = items, setup
        self.optimizer = ScaledAdam(self.model.parameters())
        self.scaler = gradient_scaler(setup.compute)
        self.division = Division()
        self.updates = 0

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the items of each batch of an epoch, those of all processes together."""
        recipe = self.setup.recipe
        size = max(1, self.setup.batch_size // 2) if recipe.preference else self.setup.batch_size
        return gpt_batches([item.seconds for item in self.items], size * self.setup.group.size, epoch, recipe)

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Add one batch's gradients (not averaged), and update when enough batches are in."""
        group, seed = self.setup.group, torch.initial_seed()
        whole = self._whole_batch(items, random.Random(seed))
        rows = group.share_of(range(len(items)))
        waiting = self._take_gradients()
        sums = group.totals(self.division.attempt(lambda: self._gradients(whole, rows, seed)))
        losses = self._losses(whole, sums)
        if math.isfinite(losses["gpt"]):
            self._add_gradients(waiting)
        else:
            self._put_gradients(waiting)
        rate = semantic_learning_rate(self.updates)
        if self._is_due(batch):
            losses |= self._update(rate)
        return {**losses, "learning_rate": rate}

    def _whole_batch(self, items: Sequence[int], rng: random.Random) -> tuple[GptBatch, RejectedCodes | None]:
        """Collate the batch of all processes: the recipe trains padding too, so everyone needs the same padding."""
        made = collate_gpt([self.items[index] for index in items], self.setup.family)
        if not self.setup.recipe.preference:
            return made, None
        return made, reject_codes(made.codes, made.codes_lengths, rng)

    def _gradients(self, whole: tuple[GptBatch, RejectedCodes | None], rows: Sequence[int], seed: int) -> Losses:
        """Compute the gradients of this process's rows and return the sums that its losses are made of.

        What a part draws (dropout) follows from the step's seed and its first row.
        """
        self.optimizer.zero_grad(set_to_none=True)
        sums = {"loss": 0.0, "hits": 0.0, "preference": 0.0}
        for part in self.division.cut(rows):
            torch.manual_seed(seed + 1 + part[0])
            for name, value in self._backward(whole, part).items():
                sums[name] += value
        return sums

    def _backward(self, whole: tuple[GptBatch, RejectedCodes | None], rows: Sequence[int]) -> Losses:
        batch, rejected = whole
        device = self.setup.compute.device
        chosen = torch.tensor(rows)
        parts = (batch.phones, batch.phones_lengths, batch.codes, batch.codes_lengths, batch.bert)
        worse = None
        if rejected is not None:
            worse = RejectedCodes(rejected.codes[chosen].to(device), rejected.lengths[chosen].to(device))
        with self.setup.compute.autocast():
            out = self.model(*(part[chosen].to(device) for part in parts), worse)
        loss, preference = out.loss, 0.0
        if out.preference_loss is not None:  # a mean over rows, where all else is a sum
            share = out.preference_loss * (len(rows) / batch.phones.shape[0])
            loss, preference = loss - out.preference_loss + share, share.item()
        torch.autograd.backward(self.scaler.scale(loss))
        counted = int(batch.codes_lengths[chosen].sum())
        return {"loss": loss.item(), "hits": out.accuracy.item() * counted, "preference": preference}

    def _losses(self, whole: tuple[GptBatch, RejectedCodes | None], sums: Losses) -> Losses:
        """Return the mean loss a token, and the share of codes among the three best guesses."""
        batch, rejected = whole
        codes = int(batch.codes_lengths.sum())
        tokens = codes + batch.codes.shape[0]
        losses = {"gpt": sums["loss"] / tokens, "accuracy": sums["hits"] / codes}
        return losses if rejected is None else {**losses, "preference": sums["preference"]}

    def _take_gradients(self) -> list[Tensor | None]:
        """Put aside the gradients that wait for the next update, so that a batch can be computed twice."""
        waiting = [parameter.grad for parameter in self.model.parameters()]
        self.optimizer.zero_grad(set_to_none=True)
        return waiting

    def _put_gradients(self, waiting: Sequence[Tensor | None]) -> None:
        for parameter, old in zip(self.model.parameters(), waiting, strict=True):
            parameter.grad = old

    def _add_gradients(self, waiting: Sequence[Tensor | None]) -> None:
        """Sum the batch's gradients over the processes, and add those that wait."""
        parameters = list(self.model.parameters())
        for parameter in parameters:
            if parameter.grad is None:  # a short batch leaves nothing for this process
                parameter.grad = torch.zeros_like(parameter)
        self.setup.group.add_up(parameter.grad for parameter in parameters if parameter.grad is not None)
        for parameter, old in zip(parameters, waiting, strict=True):
            if old is not None and parameter.grad is not None:
                parameter.grad.add_(old)

    def _is_due(self, batch: int) -> bool:
        every = self.setup.recipe.batches_per_update
        return every == 1 or (batch > 0 and batch % every == 0)

    def _update(self, rate: float) -> Losses:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = apply_gradients(self.optimizer, self.scaler)
        self.scaler.update()
        self.updates += 1
        return norm_entry("gradient_norm", norm, self.scaler)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of model and optimiser, and the gradients that wait for the next update."""
        waiting: dict[str, Tensor] = {
            name: parameter.grad for name, parameter in self.model.named_parameters() if parameter.grad is not None
        }
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "updates": self.updates,
            "gradients": waiting,
            "parts": self.division.parts,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.updates, self.division.parts = state["updates"], state["parts"]
        for name, parameter in self.model.named_parameters():
            gradient = state["gradients"].get(name)
            parameter.grad = None if gradient is None else gradient.to(parameter.device)
