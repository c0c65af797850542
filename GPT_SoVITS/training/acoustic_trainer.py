"""Train the semantic-to-waveform model of a direct family frame by frame: no sound is made while it learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.models.harmonic_decoder import CENTRE_HZ, Prediction
from GPT_SoVITS.models.sovits import AlignedBatch, SovitsModel, length_mask
from GPT_SoVITS.training.alignment import Alignments, misheard
from GPT_SoVITS.training.direct_trainer import DirectTrainee, Schedule
from GPT_SoVITS.training.sovits_data import pad_rows

FRAMES_PER_CODE = 4
"""Acoustic frames of a code."""
PITCH_WEIGHT, VOICING_WEIGHT, NOISE_WEIGHT = 4.0, 0.5, 0.5
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


class AcousticTrainee(DirectTrainee[AcousticItem]):
    """See DirectTrainee; in training the timbre comes from a random piece of each clip."""

    def __init__(
        self,
        model: SovitsModel,
        items: Sequence[AcousticItem],
        kept_out: Sequence[AcousticItem],
        schedule: Schedule,
        compute: Compute,
    ) -> None:
        super().__init__(model, items, kept_out, schedule, compute)
        self.model = model
        self.alignments = Alignments(model.aligner)

    def parts(self, items: Sequence[AcousticItem], *, training: bool) -> dict[str, Tensor]:
        """Return the weighted differences of envelope, pitch, voicing and noise."""
        batch = collate(items, self.alignments, crop=training).to(self.compute.device)
        if training:
            batch = self._varied(batch)
        return acoustic_losses(self.model.predict(batch), items, batch.codes_lengths)

    def _varied(self, batch: AlignedBatch) -> AlignedBatch:
        """Let codes be misheard or not heard at all, so that no single one is relied upon."""
        emission, schedule = self.model.aligner.emission, self.schedule
        codes = misheard(batch.codes, batch.phones, batch.alignment, emission, schedule.misheard_share)
        heard = torch.rand(batch.heard.shape, device=batch.heard.device) >= schedule.unheard_share
        return replace(batch, codes=codes, heard=heard)


def collate(items: Sequence[AcousticItem], alignments: Alignments, *, crop: bool) -> AlignedBatch:
    """Pad items into a batch; with `crop`, the timbre comes from a random piece of each."""
    mels = [_piece(item.mel) if crop else item.mel for item in items]
    return AlignedBatch(
        pad_rows([item.codes for item in items]),
        torch.tensor([len(item.codes) for item in items]),
        alignments.of(items),
        pad_rows([item.phones for item in items]),
        torch.tensor([len(item.phones) for item in items]),
        pad_rows([mel.float().mT for mel in mels]).mT,
        torch.tensor([mel.shape[1] for mel in mels]),
        torch.ones(len(items), dtype=torch.bool),
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
