"""What the trainers of direct families know of each clip beside its codes: which phone each code belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from GPT_SoVITS.models.aligner import PhoneAligner
from GPT_SoVITS.training.sovits_data import pad_rows


class _Clip(Protocol):
    @property
    def name(self) -> str:
        """Unique among the clips."""

    @property
    def phones(self) -> Tensor:
        """Int64 [P]."""

    @property
    def codes(self) -> Tensor:
        """Int64 [N]."""


class Alignments:
    """Aligns each clip once: the aligner does not change while a model learns."""

    def __init__(self, aligner: PhoneAligner) -> None:
        self._aligner = aligner
        self._known: dict[str, Tensor] = {}

    def of(self, clips: Sequence[_Clip]) -> Tensor:
        """Return the place of each code's phone, int64 [B, N], padded with 0."""
        new = [clip for clip in clips if clip.name not in self._known]
        if new:
            for clip, path in zip(new, self._aligned(new), strict=True):
                self._known[clip.name] = path[: len(clip.codes)].clone()
        return pad_rows([self._known[clip.name] for clip in clips])

    def _aligned(self, clips: Sequence[_Clip]) -> Tensor:
        device = self._aligner.emission.device
        phones_lengths = torch.tensor([len(clip.phones) for clip in clips], device=device)
        codes_lengths = torch.tensor([len(clip.codes) for clip in clips], device=device)
        phones = pad_rows([clip.phones for clip in clips]).to(device)
        paths: Tensor = self._aligner(
            phones, phones_lengths, pad_rows([c.codes for c in clips]).to(device), codes_lengths
        )
        return paths.cpu()


def misheard(codes: Tensor, phones: Tensor, places: Tensor, emission: Tensor, share: float) -> Tensor:
    """Return codes as a text-to-semantic model might have chosen them: some are drawn anew from those of their phone.

    Whoever learns from such codes trusts no single one of them, but the text and what stands around.

    Args:
        codes: int64 [B, N].
        phones: ids, int64 [B, P].
        places: place of each code's phone, int64 [B, N].
        emission: log-probabilities of the codes given each phone, [phones, codes].
        share: of the codes of a row, 0 to `share` are drawn anew; how many is drawn for each row.
    """
    if share <= 0:
        return codes
    spoken = phones.gather(1, places.clamp(max=phones.shape[1] - 1))  # [B, N]
    drawn = torch.multinomial(emission.float().exp()[spoken].flatten(0, 1), 1).view_as(codes)
    chance = share * torch.rand(codes.shape[0], 1, device=codes.device)
    return torch.where(torch.rand(codes.shape, device=codes.device) < chance, drawn, codes)
