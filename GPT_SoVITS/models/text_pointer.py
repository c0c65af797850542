"""The pointer of small text-to-semantic models: which phone is being spoken, and whether a code moves on to the next.

Each code is chosen with the phones around its own one in view, so nothing has to be found by attention. After a code
has been chosen, the pointer stays or goes up to three phones further, to where the next code belongs; it never goes
back, so words are neither left out nor said twice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.families import GptConfig
from GPT_SoVITS.models.aligner import LARGEST_STEP, PhoneAligner

BEHIND = 1
"""The window begins with the phone before the pointer."""


class TextPointer(nn.Module):
    """Reads the text at the pointer and decides on its steps; holds the aligner that training needs."""

    def __init__(self, config: GptConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        assert config.text_window is not None
        self.window = config.text_window
        self.read_layer = nn.Linear(self.window * width, width)
        self.longest_rest = config.longest_rest
        if self.longest_rest:
            self.rest_embedding = nn.Embedding(self.longest_rest + 1, width)
            nn.init.zeros_(self.rest_embedding.weight)
        self.step_layers = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, LARGEST_STEP + 1))
        self.aligner = PhoneAligner(config.phoneme_vocab_size, config.vocab_size - 1)

    def read(self, text: Tensor, places: Tensor, rested: Tensor) -> Tensor:
        """Return [B, T, C], what stands around the pointer.

        Args:
            text: embedded phones [B, P, C].
            places: pointers int64 [B, T].
            rested: for how many codes each pointer has stood there already, int64 [B, T]; see `rests`.
        """
        padded = F.pad(text, (0, 0, BEHIND, self.window - BEHIND - 1))
        offsets = torch.arange(self.window, device=text.device)
        index = (places[:, :, None] + offsets).flatten(1)  # [B, T * window]
        around = padded.gather(1, index.unsqueeze(-1).expand(-1, -1, text.shape[2]))
        out: Tensor = self.read_layer(around.view(*places.shape, -1))
        if self.longest_rest:
            out = out + self.rest_embedding(rested.clamp(max=self.longest_rest))
        return out

    def step_logits(self, hidden: Tensor, chosen: Tensor) -> Tensor:
        """Return logits [B, T, steps] of how far the pointer goes.

        Args:
            hidden: the stack's output [B, T, C] that a code was chosen from.
            chosen: the embedding [B, T, C] of that code.
        """
        out: Tensor = self.step_layers(torch.cat([hidden, chosen], dim=-1))
        return out


def rests(places: Tensor) -> Tensor:
    """Return for how many codes before it the pointer has stood where it stands, int64 [B, T]; places int64 [B, T]."""
    index = torch.arange(places.shape[1], device=places.device).expand_as(places)
    moved = F.pad(places.diff(dim=1) != 0, (1, 0), value=True)
    arrival = index.masked_fill(~moved, 0).cummax(dim=1).values
    return index - arrival
