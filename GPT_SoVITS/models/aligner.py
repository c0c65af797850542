"""Which phone each code belongs to: the best monotonic path through a table of how well codes fit phones.

The table holds log-probabilities of a code given a phone, counted over a corpus (`training.base.alignment` fits it).
It lets small models read their text in step with the codes, which large ones learn to do by attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST_STEP = 3
"""A code may stand so many phones further than the one before it; phones between are passed over."""


@dataclass(frozen=True, slots=True)
class StepCosts:
    """What a path pays, in log-probability."""

    steps: tuple[float, float, float, float]
    """For going 0, 1, 2 or 3 phones further."""
    skip: float
    """For each phone that is passed over at the very start or end."""


COARSE = StepCosts((0.0, 0.0, -3.0, -6.0), -1.5)
"""For codes of 40 ms, within which a phone may begin and end."""
FINE = StepCosts((0.0, 0.0, -6.0, -14.0), -6.0)
"""For content frames of 20 ms."""
_IMPOSSIBLE = -1e9


class PhoneAligner(nn.Module):
    """A table [phones, codes] of log-probabilities, kept with the weights of the model that needs it."""

    emission: Tensor

    def __init__(self, phones: int, codes: int) -> None:
        super().__init__()
        self.register_buffer("emission", torch.zeros(phones, codes))

    def forward(
        self,
        phones: Tensor,
        phones_lengths: Tensor,
        codes: Tensor,
        codes_lengths: Tensor,
        *,
        open_end: bool = False,
    ) -> Tensor:
        """Return the place of each code's phone, int64 [B, T], never falling along a row.

        Args:
            phones: ids, int64 [B, P], padded with any id.
            phones_lengths: int64 [B].
            codes: int64 [B, T], padded with any code.
            codes_lengths: int64 [B]; places after the end repeat the last one.
            open_end: the codes may end anywhere in the text, because more will follow.
        """
        with torch.no_grad():
            table = self.emission.float()[phones]  # [B, P, codes]
            index = codes.clamp(max=table.shape[2] - 1).unsqueeze(1).expand(-1, phones.shape[1], -1)
            return best_paths(table.gather(2, index).mT, phones_lengths, codes_lengths, open_end=open_end)


def best_paths(
    scores: Tensor,
    phones_lengths: Tensor,
    codes_lengths: Tensor,
    *,
    open_end: bool = False,
    costs: StepCosts = COARSE,
) -> Tensor:
    """Return int64 [B, T], the best monotonic paths through scores float [B, T, P]; see PhoneAligner.forward."""
    rows, steps, phones = scores.shape
    place = torch.arange(phones, device=scores.device)
    scores = scores.masked_fill(place >= phones_lengths[:, None, None], _IMPOSSIBLE)
    start = torch.where(place <= LARGEST_STEP, place * costs.skip, _IMPOSSIBLE)
    best = scores[:, 0] + start
    cost = torch.tensor(costs.steps, device=scores.device)[:, None]
    origins = []
    for step in range(1, steps):
        padded = F.pad(best, (LARGEST_STEP, 0), value=_IMPOSSIBLE)
        shifted = torch.stack(
            [padded[:, LARGEST_STEP - move : LARGEST_STEP - move + phones] for move in range(LARGEST_STEP + 1)], dim=1
        )  # [B, moves, P]
        top, move = (shifted + cost).max(dim=1)
        running = (step < codes_lengths)[:, None]
        best = torch.where(running, top + scores[:, step], best)
        origins.append(torch.where(running, move, 0))
    behind = (phones_lengths - 1)[:, None] - place
    end = torch.where(behind <= LARGEST_STEP, behind * costs.skip, _IMPOSSIBLE)
    if open_end:
        end = torch.zeros_like(end)
    state = (best + torch.where(behind >= 0, end, 2 * _IMPOSSIBLE)).argmax(dim=1)
    path = [state]
    for move in reversed(origins):
        state = (state - move.gather(1, state[:, None])[:, 0]).clamp(min=0)
        path.append(state)
    return torch.stack(path[::-1], dim=1)
