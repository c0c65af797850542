"""Clips of a voice as the trainers of a direct family want them, made from the experiment folder's files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.acoustics import analyse
from GPT_SoVITS.mel import mel_from_spectrogram
from GPT_SoVITS.models.aligner import PhoneAligner
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.acoustic_trainer import FRAMES_PER_CODE, AcousticItem
from GPT_SoVITS.training.base.alignment import fit_aligner
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.sovits_data import SovitsItem


def acoustic_items(items: Sequence[SovitsItem], model: SovitsModel) -> list[AcousticItem]:
    """Measure what the model has to predict of each clip; the codes are the model's own."""
    return [_acoustic_item(item, model) for item in items]


def _acoustic_item(item: SovitsItem, model: SovitsModel) -> AcousticItem:
    codes = model.extract_codes(item.ssl.unsqueeze(0).float())[0, 0]
    frames = analyse(np.asarray(item.wave.numpy(), dtype=np.float32))
    count = FRAMES_PER_CODE * len(codes)
    return AcousticItem(
        item.name,
        item.phones,
        codes,
        mel_from_spectrogram(item.magnitudes.float(), model.audio),
        _fitted(frames.pitch_hz, count),
        _fitted(frames.voiced, count),
        _fitted(frames.envelope, count),
        _fitted(frames.noise, count),
    )


def _fitted(frames: Tensor, count: int) -> Tensor:
    """Cut or prolong [..., N] to `count` frames; content and sound may differ by a frame or two at the end."""
    missing = count - frames.shape[-1]
    if missing <= 0:
        return frames[..., :count]
    rows = frames.reshape(1, -1, frames.shape[-1])
    return F.pad(rows, (0, missing), mode="replicate").reshape(*frames.shape[:-1], count)


def ensure_alignment(aligner: PhoneAligner, items: Sequence[AcousticItem | GptItem]) -> None:
    """Fit the aligner to the clips at hand where it comes from no base."""
    if not aligner.emission.any():
        fit_aligner(aligner, [item.phones for item in items], [item.codes for item in items])
