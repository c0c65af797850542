"""Train the semantic-to-waveform model (s2): generator against discriminators, by the public recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from GPT_SoVITS.mel import mel_from_spectrogram, mel_spectrogram
from GPT_SoVITS.models.discriminator import Judgement, SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel, SovitsOutput, slice_frames
from GPT_SoVITS.training.division import Division
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.parallel import ALONE, Group, gradients_of
from GPT_SoVITS.training.recipe import SovitsRecipe
from GPT_SoVITS.training.sovits_data import (
    BatchShape,
    SovitsItem,
    WavedBatch,
    collate_sovits,
    longest_first,
    sovits_batches,
)
from GPT_SoVITS.training.update import apply_gradients, gradient_scaler, norm_entry

_TEXT_MODULES = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")


@dataclass(frozen=True, slots=True)
class SovitsSetup:
    """What a training of this model works with; `batch_size` counts for each process of the group."""

    family: Family
    recipe: SovitsRecipe
    compute: Compute
    batch_size: int
    group: Group = ALONE
    found: int | None = None
    """Clips before any was left out; they decide how often a small set is repeated."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a batch, what was generated from them, and the recorded slices [b, 1, segment samples]."""

    waved: WavedBatch
    made: SovitsOutput
    real: Tensor
    share: float
    """Rows of this part ÷ rows of the batch of all processes."""


@dataclass(slots=True)
class _Step:
    """One batch of all processes, longest item first, and what is drawn for it."""

    items: list[SovitsItem]
    shape: BatchShape
    noise: Tensor
    slice_starts: Tensor
    seed: int
    """Of what the networks draw (dropout), so that a part can be computed again and comes out the same."""
    kept: list[_Part] = field(default_factory=list)
    """The one part of an undivided batch, between the discriminators' turn and the generator's."""

    @property
    def frames(self) -> int:
        """Valid frames of all items."""
        return sum(item.frames for item in self.items)


class SovitsTrainee:
    """Generator, discriminators, their optimisers and the clips. See `loop.Trainee`."""

    def __init__(
        self, model: SovitsModel, critic: SovitsDiscriminator, items: Sequence[SovitsItem], setup: SovitsSetup
    ) -> None:
        device = setup.compute.device
        self.model, self.critic = model.to(device).train(), critic.to(device).train()
        self.items, self.setup = items, setup
        recipe = setup.recipe
        self.model_optimizer = _adam(_generator_groups(model, recipe), recipe)
        self.critic_optimizer = _adam([{"params": list(critic.parameters()), "share": 1.0}], recipe)
        self.scaler = gradient_scaler(setup.compute)
        self.division = Division()

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the items of each batch of an epoch, those of all processes together."""
        setup, frames = self.setup, [item.frames for item in self.items]
        return sovits_batches(frames, setup.batch_size * setup.group.size, epoch, setup.recipe, setup.found)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both networks and both optimisers."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {"parts": self.division.parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the states back."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.division.parts = state["parts"]

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "critic": self.critic,
            "model_optimizer": self.model_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "scaler": self.scaler,
        }

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Update the discriminators, then the generator against the updated ones."""
        rate = self._set_rates(epoch)
        step = self._begin([self.items[index] for index in items])
        group = self.setup.group
        losses = group.totals(self.division.attempt(lambda: self._critic_gradients(step)))
        if math.isfinite(losses["discriminator"]):
            losses |= self._update(self.critic_optimizer, "discriminator_gradient_norm")
            parts = group.totals(self.division.attempt(lambda: self._generator_gradients(step)))
            losses |= {"generator": sum(parts.values()), **parts}
            if math.isfinite(losses["generator"]):
                losses |= self._update(self.model_optimizer, "gradient_norm")
            self.scaler.update()
        return {**losses, "learning_rate": rate}

    def _begin(self, items: Sequence[SovitsItem]) -> _Step:
        ordered = longest_first(items)
        shape = BatchShape.of(ordered)
        # Processes draw alike only on the same kind of device.
        device = self.setup.compute.device if self.setup.group.size == 1 else torch.device("cpu")
        noise = torch.randn(len(ordered), self.model.config.inter_channels, shape.frames, device=device)
        lengths = torch.tensor([item.frames for item in ordered])
        places = (lengths - self.model.slice_length_frames + 1).clamp(min=1)
        starts = (torch.rand(len(ordered)) * places).long()
        return _Step(ordered, shape, noise, starts, torch.initial_seed())

    def _update(self, optimizer: torch.optim.AdamW, name: str) -> Losses:
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        self.setup.group.add_up(gradients_of(parameters))
        return norm_entry(name, apply_gradients(optimizer, self.scaler), self.scaler)

    def _critic_gradients(self, step: _Step) -> Losses:
        """Compute this process's share of the discriminators' gradients and loss."""
        self.critic_optimizer.zero_grad(set_to_none=True)
        step.kept.clear()
        total = 0.0
        divided = self.division.parts > 1
        for rows in self._rows(step):
            with torch.set_grad_enabled(not divided):
                part = self._make(step, rows)
            loss = self._judge_both(part.real, part.made.wave.detach()) * part.share
            torch.autograd.backward(self.scaler.scale(loss))
            total += loss.item()
            if not divided:
                step.kept.append(part)
        return {"discriminator": total}

    def _generator_gradients(self, step: _Step) -> Losses:
        """Compute this process's share of the generator's gradients and of each part of its loss."""
        self.model_optimizer.zero_grad(set_to_none=True)
        kept = step.kept.copy()
        step.kept.clear()
        sums = dict.fromkeys(("mel", "kl", "feature", "adversarial"), 0.0)
        for rows in self._rows(step):
            part = kept.pop() if kept else self._make(step, rows)
            losses = self._generator_losses(part, step.frames)
            torch.autograd.backward(self.scaler.scale(torch.stack(list(losses.values())).sum()))
            for name, loss in losses.items():
                sums[name] += loss.item()
        return sums

    def _rows(self, step: _Step) -> Iterator[Sequence[int]]:
        return self.division.cut(self.setup.group.share_of(range(len(step.items))))

    def _make(self, step: _Step, rows: Sequence[int]) -> _Part:
        """Generate slices for some rows of the batch; padding is that of the whole batch."""
        device = self.setup.compute.device
        torch.manual_seed(step.seed + 1 + rows[0])
        waved = collate_sovits([step.items[row] for row in rows], step.shape).to(device)
        chosen = torch.tensor(rows)
        starts = step.slice_starts[chosen].to(device)
        with self.setup.compute.autocast():
            made = self.model(
                waved.inputs, noise=step.noise[chosen.to(step.noise.device)].to(device), slice_starts=starts
            )
        hop, frames = self.setup.family.audio.hop_samples, self.model.slice_length_frames
        real = slice_frames(waved.waves, starts * hop, frames * hop)
        return _Part(waved, made, real, len(rows) / len(step.items))

    def _generator_losses(self, part: _Part, frames: int) -> dict[str, Tensor]:
        made, audio = part.made, self.setup.family.audio
        with _frozen(self.critic), self.setup.compute.autocast():
            with torch.no_grad():
                real_maps = _maps(self.critic(part.real))
            judged = self.critic(made.wave)
        magnitudes = slice_frames(part.waved.inputs.spectrogram, made.slice_starts, self.model.slice_length_frames)
        fake_mel = mel_spectrogram(made.wave.squeeze(1).float(), audio)
        divergence = kl_loss(
            made.prior_sample, made.posterior_log_scale, made.prior_mean, made.prior_log_scale, made.mask, frames
        )
        return {
            "mel": mel_loss(mel_from_spectrogram(magnitudes, audio), fake_mel) * part.share,
            "kl": divergence,
            "feature": feature_matching_loss(real_maps, _maps(judged)) * part.share,
            "adversarial": adversarial_loss([judgement.score for judgement in judged]) * part.share,
        }

    def _judge_both(self, real: Tensor, fake: Tensor) -> Tensor:
        """Judge real and generated slices in one pass; the discriminators treat each item by itself."""
        with self.setup.compute.autocast():
            scores = [judgement.score.chunk(2) for judgement in self.critic(torch.cat([real, fake.to(real.dtype)]))]
        return discriminator_loss([real_score for real_score, _ in scores], [fake_score for _, fake_score in scores])

    def _set_rates(self, epoch: int) -> float:
        """Set this epoch's learning rates; the public schedule decays once before the first epoch."""
        recipe = self.setup.recipe
        rate = recipe.learning_rate * recipe.decay_per_epoch ** (epoch + 1)
        for group in (*self.model_optimizer.param_groups, *self.critic_optimizer.param_groups):
            group["lr"] = rate * group["share"]
        return rate


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let a network compute without gradients of its own, which would cost as much as the other network's."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def _maps(judgements: Sequence[Judgement]) -> list[tuple[Tensor, ...]]:
    return [judgement.feature_maps for judgement in judgements]


def _generator_groups(model: nn.Module, recipe: SovitsRecipe) -> list[dict[str, Any]]:
    """Return the optimiser's groups: the rest, then the three text modules at their share of the rate."""
    named = list(model.named_parameters())
    rest = [parameter for name, parameter in named if not name.startswith(_TEXT_MODULES)]
    groups: list[dict[str, Any]] = [{"params": rest, "share": 1.0}]
    for module in _TEXT_MODULES:
        members = [parameter for name, parameter in named if name.startswith(module)]
        groups.append({"params": members, "share": recipe.text_rate})
    return groups


def _adam(groups: list[dict[str, Any]], recipe: SovitsRecipe) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay
    )
