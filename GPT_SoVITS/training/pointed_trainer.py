"""Train a text-to-semantic model that has a pointer: mean losses over codes and over the pointer's steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.models.text_to_semantic import PointedBatch, TextToSemantic
from GPT_SoVITS.training.alignment import Alignments, misheard
from GPT_SoVITS.training.direct_trainer import DirectTrainee, Schedule
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.sovits_data import pad_rows


class PointedTrainee(DirectTrainee[GptItem]):
    """See DirectTrainee."""

    def __init__(
        self,
        model: TextToSemantic,
        items: Sequence[GptItem],
        kept_out: Sequence[GptItem],
        schedule: Schedule,
        compute: Compute,
    ) -> None:
        super().__init__(model, items, kept_out, schedule, compute)
        self.model = model
        self.alignments = Alignments(model.pointer.aligner)

    def parts(self, items: Sequence[GptItem], *, training: bool) -> dict[str, Tensor]:
        """Return the cross-entropies of the codes and of the steps, means over the batch."""
        batch = self._collated(items).to(self.compute.device)
        if training:
            emission, share = self.model.pointer.aligner.emission, self.schedule.misheard_share
            batch = replace(batch, heard=misheard(batch.codes, batch.phones, batch.places, emission, share))
        out = self.model.pointed_losses(batch)
        return {"codes": out.code_loss, "steps": out.step_loss}

    def _collated(self, items: Sequence[GptItem]) -> PointedBatch:
        codes = pad_rows([item.codes for item in items], self.model.config.eos)
        return PointedBatch(
            pad_rows([item.phones for item in items]),
            torch.tensor([item.phones.shape[0] for item in items]),
            codes,
            torch.tensor([item.codes.shape[0] for item in items]),
            self.alignments.of(items),
            codes,
        )
