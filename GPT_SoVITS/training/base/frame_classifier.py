"""A classifier that tells the phone of a single content frame; alignment of a corpus is refined with it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_WIDTH = 384
_DROPOUT = 0.1
_LARGEST_BATCH, _LEAST_BATCHES = 4096, 64
_RATE, _RATE_FALL = 1e-3, 0.6
_LABEL_SMOOTHING = 0.02
_PRIOR_SHARE = 0.7
"""How much of a phone's frequency is taken out of its score; with all of it, rare phones win too often."""
_ADDED_COUNTS = 50.0
"""Frames that each phone is taken to have besides its own."""
_MEASURED_EVERY = 50


class FrameClassifier(nn.Module):
    """Two layers over standardised content frames."""

    mean: Tensor
    spread: Tensor
    prior: Tensor

    def __init__(self, frames: Tensor, classes: int) -> None:
        """Make an untrained classifier.

        Args:
            frames: the content frames to come, float [N, channels]; their level is measured.
            classes: number of phones.
        """
        super().__init__()
        channels = frames.shape[1]
        measured = frames[::_MEASURED_EVERY].float()
        self.register_buffer("mean", measured.mean(dim=0))
        self.register_buffer("spread", measured.std(dim=0).nan_to_num(1.0).clamp(min=1e-4))
        self.register_buffer("prior", torch.zeros(classes))
        self.layers = nn.Sequential(
            nn.Linear(channels, _WIDTH), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(_WIDTH, classes)
        )
        self._optimizer = torch.optim.AdamW(self.parameters(), lr=_RATE, weight_decay=0.01)

    def forward(self, frames: Tensor) -> Tensor:
        """Return logits [N, classes] of frames float [N, channels]."""
        out: Tensor = self.layers((frames.float() - self.mean) / self.spread)
        return out

    def learn(self, frames: Tensor, labels: Tensor, turn: int) -> float:
        """Go once through all frames [N, channels] with their phones int64 [N], and return the mean loss.

        `turn` counts from 0; each is slower than the one before.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = _RATE * _RATE_FALL**turn
        self.train()
        loss = 0.0
        size = max(1, min(_LARGEST_BATCH, len(labels) // _LEAST_BATCHES))
        batches = torch.split(torch.randperm(len(labels)), size)
        for batch in batches:
            part = F.cross_entropy(self(frames[batch]), labels[batch], label_smoothing=_LABEL_SMOOTHING)
            self._optimizer.zero_grad()
            part.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            loss += part.item() / len(batches)
        counts = torch.bincount(labels, minlength=len(self.prior)) + _ADDED_COUNTS
        self.prior.copy_((counts / counts.sum()).log())
        self.eval()
        return loss

    def scores(self, frames: Tensor) -> Tensor:
        """Return how well frames [N, channels] fit each phone, as best_paths wants it: float [N, classes]."""
        scores: Tensor = self(frames).log_softmax(dim=1) - _PRIOR_SHARE * self.prior
        return scores
