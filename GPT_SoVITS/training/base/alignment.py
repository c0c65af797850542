"""Fit the table of a PhoneAligner: counts of codes within phones, from an even division to ever better ones."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from GPT_SoVITS.models.aligner import PhoneAligner
from GPT_SoVITS.training.sovits_data import pad_rows

logger = logging.getLogger(__name__)

ROUNDS = 12
_BATCH = 128
_PRIOR_COUNTS = 20.0
"""How much the codes of all phones together weigh in each phone's distribution."""


def fit_aligner(aligner: PhoneAligner, phones: Sequence[Tensor], codes: Sequence[Tensor]) -> None:
    """Fit by Viterbi training.

    Args:
        aligner: receives the table.
        phones: ids of each utterance, int64 [P].
        codes: its codes, int64 [T].
    """
    order = sorted(range(len(codes)), key=lambda index: len(codes[index]))
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    for turn in range(ROUNDS + 1):
        counts = torch.zeros_like(aligner.emission)
        for batch in batches:
            texts, spoken = [phones[index] for index in batch], [codes[index] for index in batch]
            paths = _even(texts, spoken) if turn == 0 else _aligned(aligner, texts, spoken)
            for text, sound, path in zip(texts, spoken, paths, strict=True):
                counts.index_put_((text[path], sound), torch.ones(len(sound)), accumulate=True)
        everywhere = (counts.sum(dim=0) + 1) / (counts.sum() + counts.shape[1])
        smooth = counts + _PRIOR_COUNTS * everywhere
        table = (smooth / smooth.sum(dim=1, keepdim=True)).log()
        score = float((counts * table).sum() / counts.sum())
        aligner.emission.copy_(table)
        logger.info("alignment round %d: mean log-probability of a code %.4f", turn, score)


def _even(texts: Sequence[Tensor], spoken: Sequence[Tensor]) -> list[Tensor]:
    return [torch.arange(len(sound)) * len(text) // len(sound) for text, sound in zip(texts, spoken, strict=True)]


def _aligned(aligner: PhoneAligner, texts: Sequence[Tensor], spoken: Sequence[Tensor]) -> list[Tensor]:
    phones_lengths = torch.tensor([len(text) for text in texts])
    codes_lengths = torch.tensor([len(sound) for sound in spoken])
    paths = aligner(pad_rows(texts), phones_lengths, pad_rows(spoken), codes_lengths)
    return [path[: len(sound)] for path, sound in zip(paths, spoken, strict=True)]
