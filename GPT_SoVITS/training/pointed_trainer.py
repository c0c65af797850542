"""Train a text-to-semantic model that has a pointer: mean losses over codes and over the pointer's steps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
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

    def parts(self, items: Sequence[GptItem], *, training: bool) -> dict[str, Tensor]:
        """Return the cross-entropies of the codes and of the steps, means over the batch."""
        batch = (
            pad_rows([item.phones for item in items]),
            torch.tensor([item.phones.shape[0] for item in items]),
            pad_rows([item.codes for item in items], self.model.config.eos),
            torch.tensor([item.codes.shape[0] for item in items]),
        )
        out = self.model.pointed_losses(*(part.to(self.compute.device) for part in batch))
        return {"codes": out.code_loss, "steps": out.step_loss}
