"""The content codebook that a `nano` model starts from: the same for every voice, made once, never from a user's data.

`whisper_base_codebook.npz` holds 1024 k-means centres of Whisper base's encoder output (two 20 ms frames averaged,
each channel standardised) over synthetic speech in English, Mandarin and Japanese of many speakers. The centres are
kept as coordinates along the main directions, in float16. `fit_codebook` makes such a file from any features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.models.sovits import FRAMES_PER_CODE, SovitsModel

CODEBOOK_FILE = Path(__file__).parent / "data" / "whisper_base_codebook.npz"


@dataclass(frozen=True, slots=True)
class ContentCodebook:
    """Per-channel mean and scale of the features, both [C], and the centres of standardised features [codes, C]."""

    mean: Tensor
    scale: Tensor
    centres: Tensor


@cache
def whisper_codebook() -> ContentCodebook:
    """Read the codebook that comes with the engine."""
    return read_codebook(CODEBOOK_FILE)


def read_codebook(path: Path) -> ContentCodebook:
    """Read a file that `fit_codebook` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        parts = {name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files}
    return ContentCodebook(parts["mean"], parts["scale"], parts["coordinates"] @ parts["directions"])


def install_codebook(model: SovitsModel, codebook: ContentCodebook) -> None:
    """Make `ssl_proj` standardise the mean of two frames, and the codebook hold the centres.

    A codebook with more rows than the model has is cut; channels must agree.

    Raises:
        ValueError: the channels or the number of codes do not fit.
    """
    channels, entries = model.config.ssl_channels, model.config.codebook_size
    if codebook.centres.shape[1] != channels or codebook.centres.shape[0] < entries:
        raise ValueError(f"the codebook is {tuple(codebook.centres.shape)}, the model needs ({entries}, {channels})")
    centres = codebook.centres[:entries]
    with torch.no_grad():
        share = torch.diag(1 / (FRAMES_PER_CODE * codebook.scale))
        model.ssl_proj.weight.copy_(share.unsqueeze(-1).expand(-1, -1, FRAMES_PER_CODE))
        assert model.ssl_proj.bias is not None
        model.ssl_proj.bias.copy_(-codebook.mean / codebook.scale)
        target = model.quantizer.codebook
        target.embed.copy_(centres)
        target.embed_avg.copy_(centres)
        target.cluster_size.fill_(1)
        target.inited.fill_(1)


def codebook_of(model: SovitsModel) -> ContentCodebook:
    """Return the codebook that `install_codebook` put into a model."""
    assert model.ssl_proj.bias is not None
    scale = 1 / (FRAMES_PER_CODE * torch.diagonal(model.ssl_proj.weight[:, :, 0]).detach())
    return ContentCodebook(-model.ssl_proj.bias.detach() * scale, scale, model.quantizer.codebook.embed.clone())


def write_codebook(path: Path, codebook: ContentCodebook) -> None:
    """Write a codebook as `read_codebook` reads it."""
    np.savez_compressed(
        path,
        mean=codebook.mean.numpy(),
        scale=codebook.scale.numpy(),
        coordinates=codebook.centres.numpy(),
        directions=np.eye(codebook.centres.shape[1], dtype=np.float16),
    )


def fit_codebook(features: NDArray[np.float32], entries: int, directions: int, path: Path) -> None:
    """Fit centres to features of many clips by k-means and write them.

    Args:
        features: float32 [frame pairs, C], averages of two frames each.
        entries: number of centres.
        directions: number of principal directions that the centres are kept in.
        path: the .npz file to write.
    """
    from GPT_SoVITS.models.quantizer import Codebook

    rows = torch.from_numpy(features)
    mean, scale = rows.mean(dim=0), rows.std(dim=0).clamp(min=1e-4)
    rows = (rows - mean) / scale
    book = Codebook(entries, rows.shape[1])
    book.fit(rows, torch.Generator().manual_seed(0))
    basis = torch.linalg.eigh(rows.T @ rows)[1].flip(1)[:, :directions].T
    order = book.cluster_size.argsort(descending=True)
    np.savez_compressed(
        path,
        mean=mean.numpy(),
        scale=scale.numpy(),
        coordinates=(book.embed[order] @ basis.T).numpy().astype(np.float16),
        directions=basis.numpy().astype(np.float16),
    )
