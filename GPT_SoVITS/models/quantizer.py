"""Vector quantiser: content frames to codes and back. One codebook, frozen while the model trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from GPT_SoVITS.errors import CheckpointError, TrainingDataError

_FIT_ROUNDS = 20


class Codebook(nn.Module):
    """The rows that stand for codes, and the buffers that published checkpoints keep beside them.

    `inited` is non-zero once the rows mean something; `cluster_size` and `embed_avg` are running statistics of the
    training that made a published codebook and are kept only for the file layout.
    """

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.zeros(1))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("embed", torch.zeros(size, channels))
        self.register_buffer("embed_avg", torch.zeros(size, channels))

    def nearest(self, rows: Tensor) -> Tensor:
        """Return the codes int64 [N] of the nearest entries (squared Euclidean) to rows [N, C]."""
        embed = self.embed.float()
        distance = embed.square().sum(dim=1) - 2 * (rows.float() @ embed.T)  # less |row|², equal for all entries
        return distance.argmin(dim=1)

    def fit(self, rows: Tensor, generator: torch.Generator | None = None) -> None:
        """Place the entries by k-means over rows [N, C] (Lloyd's algorithm; empty entries move to random rows)."""
        rows = rows.float()
        size = self.embed.shape[0]
        self.embed.copy_(rows[_draw(rows.shape[0], size, generator).to(rows.device)])
        for _ in range(_FIT_ROUNDS):
            codes = self.nearest(rows)
            counts = torch.bincount(codes, minlength=size)
            sums = torch.zeros_like(self.embed).index_add_(0, codes, rows)
            strays = rows[_draw(rows.shape[0], size, generator).to(rows.device)]
            self.embed.copy_(torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], strays))
        self.cluster_size.copy_(torch.bincount(self.nearest(rows), minlength=size))
        self.embed_avg.copy_(self.embed * self.cluster_size[:, None])
        self.inited.fill_(1)


def _draw(rows: int, count: int, generator: torch.Generator | None) -> Tensor:
    """Draw `count` row indices, all different while there are enough rows."""
    rounds = -(-count // rows)
    return torch.cat([torch.randperm(rows, generator=generator) for _ in range(rounds)])[:count]


class Quantizer(nn.Module):
    """Codes for content frames. The nesting of modules is that of the published state dicts."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.vq = nn.ModuleDict({"layers": nn.ModuleList([nn.ModuleDict({"_codebook": Codebook(size, channels)})])})

    @property
    def codebook(self) -> Codebook:
        """The only codebook."""
        codebook = self.get_submodule("vq.layers.0._codebook")
        assert isinstance(codebook, Codebook)
        return codebook

    def encode(self, features: Tensor) -> Tensor:
        """Return codes int64 [B, 1, T] of features [B, C, T].

        Raises:
            CheckpointError: the codebook was neither loaded nor fitted.
        """
        if not self.codebook.inited.any():
            raise CheckpointError(
                "the codebook holds nothing yet: load a SoVITS checkpoint or fit it on content features first"
            )
        batch, _, frames = features.shape
        return self.codebook.nearest(features.mT.flatten(0, 1)).view(batch, 1, frames)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the rows [B, C, T] that stand for codes int64 [B, 1, T]."""
        return nn.functional.embedding(codes.squeeze(1), self.codebook.embed).mT

    def fit(self, features: Tensor, generator: torch.Generator | None = None) -> None:
        """Make a codebook for features [N, C] of a model that starts from random weights.

        Raises:
            TrainingDataError: there is not a single feature row.
        """
        if features.shape[0] == 0:
            raise TrainingDataError("no content features to fit the codebook on: prepare at least one clip")
        self.codebook.fit(features, generator)
