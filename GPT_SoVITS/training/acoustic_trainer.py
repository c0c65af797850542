"""Train the semantic-to-waveform model of a direct family frame by frame: no sound is made while it learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.models.harmonic_decoder import CENTRE_HZ, Prediction
from GPT_SoVITS.models.sovits import AlignedBatch, SovitsModel, length_mask
from GPT_SoVITS.training.direct_batches import Schedule, length_batches, optimizer_of, rate_at
from GPT_SoVITS.training.loop import Losses
from GPT_SoVITS.training.sovits_data import pad_rows

FRAMES_PER_CODE = 4
"""Acoustic frames of a code."""
PITCH_WEIGHT, VOICING_WEIGHT, NOISE_WEIGHT = 4.0, 0.5, 0.5
_GRADIENT_NORM = 5.0
_SHORTEST_REFERENCE = 75
"""Mel frames of the shortest piece that the timbre is taken from: 1.5 s."""


@dataclass(frozen=True, slots=True)
class AcousticItem:
    """One clip: what is said, and its N codes' acoustic frames. Features may be float16."""

    name: str
    phones: Tensor
    """Int64 [P]."""
    codes: Tensor
    """Int64 [N]."""
    mel: Tensor
    """[bands, T]."""
    pitch_hz: Tensor
    """[4 N]."""
    voiced: Tensor
    """[4 N]."""
    envelope: Tensor
    """[K, 4 N]."""
    noise: Tensor
    """[A, 4 N]."""


class AcousticTrainee:
    """The model, its optimiser and the clips. See `loop.Trainee`."""

    def __init__(
        self, model: SovitsModel, items: Sequence[AcousticItem], *, schedule: Schedule, compute: Compute
    ) -> None:
        self.model = model.to(compute.device).train()
        self.items, self.schedule, self.compute = items, schedule, compute
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
        parts = self.losses([self.items[index] for index in items], crop=True)
        total = torch.stack(list(parts.values())).sum()
        losses = {"total": total.item(), **{name: part.item() for name, part in parts.items()}}
        if math.isfinite(losses["total"]):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(total)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), _GRADIENT_NORM)
            self.optimizer.step()
        self.updates += 1
        return {**losses, "learning_rate": rate}

    def losses(self, items: Sequence[AcousticItem], *, crop: bool = False) -> dict[str, Tensor]:
        """Return the weighted parts of the loss; with `crop` the timbre comes from a random piece of each clip."""
        device = self.compute.device
        batch = collate(items, crop=crop)
        moved = AlignedBatch(
            *(
                part.to(device)
                for part in (
                    batch.codes,
                    batch.codes_lengths,
                    batch.phones,
                    batch.phones_lengths,
                    batch.mel,
                    batch.mel_lengths,
                )
            )
        )
        with torch.autocast(device.type, torch.bfloat16, enabled=self.compute.dtype is torch.bfloat16):
            made = self.model.predict(moved)
        return acoustic_losses(made, items, moved.codes_lengths)

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


def collate(items: Sequence[AcousticItem], *, crop: bool) -> AlignedBatch:
    """Pad items into a batch."""
    mels = [_piece(item.mel) if crop else item.mel for item in items]
    return AlignedBatch(
        pad_rows([item.codes for item in items]),
        torch.tensor([len(item.codes) for item in items]),
        pad_rows([item.phones for item in items]),
        torch.tensor([len(item.phones) for item in items]),
        pad_rows([mel.float().mT for mel in mels]).mT,
        torch.tensor([mel.shape[1] for mel in mels]),
    )


def _piece(mel: Tensor) -> Tensor:
    """Cut a random piece of at least 1.5 s, where there is as much, out of mel [bands, T]."""
    frames = mel.shape[1]
    if frames <= _SHORTEST_REFERENCE:
        return mel
    length = int(torch.randint(_SHORTEST_REFERENCE, frames + 1, ()))
    start = int(torch.randint(0, frames - length + 1, ()))
    return mel[:, start : start + length]


def acoustic_losses(made: Prediction, items: Sequence[AcousticItem], codes_lengths: Tensor) -> dict[str, Tensor]:
    """Compare a prediction with what was measured: mean absolute differences, cross-entropy for voicing."""
    device = made.pitch.device
    envelope = pad_rows([item.envelope.float().mT for item in items]).mT.to(device)
    noise = pad_rows([item.noise.float().mT for item in items]).mT.to(device)
    pitch = pad_rows([(item.pitch_hz.float() / CENTRE_HZ).log() for item in items]).to(device)
    voiced = pad_rows([item.voiced.float() for item in items]).to(device)
    mask = length_mask(FRAMES_PER_CODE * codes_lengths, made.pitch.shape[1])[:, 0]
    frames, sung = mask.sum(), (mask * voiced).sum().clamp(min=1)
    voicing = F.binary_cross_entropy_with_logits(made.voicing.float(), voiced, reduction="none")
    bands, noise_bands = envelope.shape[1], noise.shape[1]
    return {
        "envelope": ((made.envelope.float() - envelope).abs() * mask[:, None]).sum() / (frames * bands),
        "pitch": PITCH_WEIGHT * ((made.pitch.float() - pitch).abs() * mask * voiced).sum() / sung,
        "voicing": VOICING_WEIGHT * (voicing * mask).sum() / frames,
        "noise": NOISE_WEIGHT
        * ((made.noise.float().sigmoid() - noise).abs() * (mask * voiced)[:, None]).sum()
        / (sung * noise_bands),
    }
