"""Train the semantic-to-waveform model (s2): generator against discriminators, by the public recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from GPT_SoVITS.mel import mel_from_spectrogram, mel_spectrogram
from GPT_SoVITS.models.discriminator import Judgement, SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel, SovitsOutput, slice_frames
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.recipe import SovitsRecipe
from GPT_SoVITS.training.sovits_data import SovitsItem, WavedBatch, collate_sovits, sovits_batches

_TEXT_MODULES = ("enc_p.text_embedding.", "enc_p.encoder_text.", "enc_p.mrte.")


@dataclass(frozen=True, slots=True)
class SovitsSetup:
    """What a training of this model works with."""

    family: Family
    recipe: SovitsRecipe
    compute: Compute
    batch_size: int


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

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the items of each batch of an epoch."""
        frames = [item.frames for item in self.items]
        return sovits_batches(frames, self.setup.batch_size, epoch, self.setup.recipe)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of both networks and both optimisers."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the states back."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "critic": self.critic,
            "model_optimizer": self.model_optimizer,
            "critic_optimizer": self.critic_optimizer,
        }

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Update the discriminators, then the generator against the updated ones."""
        rate = self._set_rates(epoch)
        waved = collate_sovits(self.items[index] for index in items).to(self.setup.compute.device)
        with self._precision():
            made = self.model(waved.inputs)
            real = self._real_slices(waved, made)
            critic_loss = self._judge_both(real, made.wave.detach())
        losses = {"discriminator": critic_loss.item()}
        if math.isfinite(losses["discriminator"]):
            self.critic_optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(critic_loss)
            self.critic_optimizer.step()
            losses |= self._train_generator(waved, made, real)
        return {**losses, "learning_rate": rate}

    def _train_generator(self, waved: WavedBatch, made: SovitsOutput, real: Tensor) -> Losses:
        self.critic.requires_grad_(False)  # its gradients are not needed here, and cost as much as the generator's
        with self._precision():
            with torch.no_grad():
                real_maps = _maps(self.critic(real))
            judged = self.critic(made.wave)
        self.critic.requires_grad_(True)
        parts = self._generator_losses(waved, made) | {
            "feature": feature_matching_loss(real_maps, _maps(judged)),
            "adversarial": adversarial_loss([judgement.score for judgement in judged]),
        }
        total = torch.stack(list(parts.values())).sum()
        losses = {"generator": total.item(), **{name: part.item() for name, part in parts.items()}}
        if math.isfinite(losses["generator"]):
            self.model_optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(total)
            self.model_optimizer.step()
        return losses

    def _generator_losses(self, waved: WavedBatch, made: SovitsOutput) -> dict[str, Tensor]:
        audio = self.setup.family.audio
        magnitudes = slice_frames(waved.inputs.spectrogram, made.slice_starts, self.model.slice_length_frames)
        fake_mel = mel_spectrogram(made.wave.squeeze(1).float(), audio)
        divergence = kl_loss(
            made.prior_sample, made.posterior_log_scale, made.prior_mean, made.prior_log_scale, made.mask
        )
        return {"mel": mel_loss(mel_from_spectrogram(magnitudes, audio), fake_mel), "kl": divergence}

    def _judge_both(self, real: Tensor, fake: Tensor) -> Tensor:
        """Judge real and generated slices in one pass; the discriminators treat each item by itself."""
        scores = [judgement.score.chunk(2) for judgement in self.critic(torch.cat([real, fake]))]
        return discriminator_loss([real_score for real_score, _ in scores], [fake_score for _, fake_score in scores])

    def _real_slices(self, waved: WavedBatch, made: SovitsOutput) -> Tensor:
        hop = self.setup.family.audio.hop_samples
        return slice_frames(waved.waves, made.slice_starts * hop, self.model.slice_length_frames * hop)

    def _set_rates(self, epoch: int) -> float:
        """Set this epoch's learning rates; the public schedule decays once before the first epoch."""
        recipe = self.setup.recipe
        rate = recipe.learning_rate * recipe.decay_per_epoch ** (epoch + 1)
        for group in (*self.model_optimizer.param_groups, *self.critic_optimizer.param_groups):
            group["lr"] = rate * group["share"]
        return rate

    def _precision(self) -> torch.autocast:
        compute = self.setup.compute
        return torch.autocast(compute.device.type, compute.dtype, enabled=compute.dtype is not torch.float32)


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
