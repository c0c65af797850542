"""Fit a PhoneAligner: counts of codes within phones, from an even division to ever better ones.

Codes of 40 ms are coarse. For a corpus, a classifier of single content frames (20 ms) therefore finds where each phone
is spoken, from the paths that the counts give, in a few rounds of training and aligning; then it is counted once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.models.aligner import COARSE, FINE, PhoneAligner, StepCosts, best_paths
from GPT_SoVITS.models.sovits import FRAMES_PER_CODE
from GPT_SoVITS.training.base.frame_classifier import FrameClassifier
from GPT_SoVITS.training.sovits_data import pad_rows

logger = logging.getLogger(__name__)

ROUNDS = 12
FRAME_ROUNDS = 5
_BATCH = 64
_PRIOR_COUNTS = 20.0
"""How much the codes of all phones together weigh in each phone's distribution."""

Paths = Sequence[Tensor]
"""Place of each code's or frame's phone, int64 [T], for each utterance."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Utterances that an aligner is fitted to."""

    phones: Sequence[Tensor]
    """Ids, int64 [P]."""
    codes: Sequence[Tensor]
    """Int64 [T]."""
    content: Sequence[Tensor]
    """Content features, float16 [2 T, channels]."""


def fit_aligner(aligner: PhoneAligner, phones: Sequence[Tensor], codes: Sequence[Tensor]) -> None:
    """Fit the table by Viterbi training.

    Args:
        aligner: receives the table.
        phones: ids of each utterance, int64 [P].
        codes: its codes, int64 [T].
    """
    for turn in range(ROUNDS + 1):
        paths = _even(phones, codes) if turn == 0 else _aligned(aligner, phones, codes)
        score = _count(aligner, phones, codes, paths)
        logger.info("alignment round %d: mean log-probability of a code %.4f", turn, score)


def refine_aligner(aligner: PhoneAligner, spoken: Spoken, seed: int) -> None:
    """Refine an aligner whose table was fitted to the same utterances; a voice alone has too few of them for that.

    Args:
        aligner: receives a new table.
        spoken: the utterances.
        seed: of the order and of what is dropped out.
    """
    torch.manual_seed(seed)
    coarse = _aligned(aligner, spoken.phones, spoken.codes)
    fine = _frame_paths(spoken, [path.repeat_interleave(FRAMES_PER_CODE) for path in coarse])
    score = _count(aligner, spoken.phones, spoken.codes, [path[::FRAMES_PER_CODE] for path in fine])
    logger.info("the refined alignment: mean log-probability of a code %.4f", score)


def _frame_paths(spoken: Spoken, paths: Paths) -> Paths:
    """Return the paths of content frames, found from first ones by training a classifier and aligning in turn."""
    used, classes = torch.unique(torch.cat(list(spoken.phones)), return_inverse=True)
    texts = torch.split(classes, [len(text) for text in spoken.phones])
    lengths = [len(each) for each in spoken.content]
    frames = torch.cat(list(spoken.content))
    classifier = FrameClassifier(frames, len(used))
    for turn in range(FRAME_ROUNDS):
        labels = torch.cat([text[path] for text, path in zip(texts, paths, strict=True)])
        loss = classifier.learn(frames, labels, turn)
        before = paths
        paths = _best(lambda index: classifier.scores(spoken.content[index])[:, texts[index]], lengths, FINE)
        moved = sum(float((new != old).float().mean()) for new, old in zip(paths, before, strict=True)) / len(paths)
        logger.info("frame round %d: cross-entropy of a phone %.4f, %.4f of the frames moved", turn, loss, moved)
    return paths


def _count(aligner: PhoneAligner, phones: Sequence[Tensor], codes: Sequence[Tensor], paths: Paths) -> float:
    """Make the table from paths, and return the mean log-probability of a code."""
    counts = torch.zeros_like(aligner.emission)
    for text, sound, path in zip(phones, codes, paths, strict=True):
        counts.index_put_((text[path], sound), torch.ones(len(sound)), accumulate=True)
    everywhere = (counts.sum(dim=0) + 1) / (counts.sum() + counts.shape[1])
    smooth = counts + _PRIOR_COUNTS * everywhere
    table = (smooth / smooth.sum(dim=1, keepdim=True)).log()
    aligner.emission.copy_(table)
    return float((counts * table).sum() / counts.sum())


def _even(phones: Sequence[Tensor], codes: Sequence[Tensor]) -> list[Tensor]:
    return [torch.arange(len(sound)) * len(text) // len(sound) for text, sound in zip(phones, codes, strict=True)]


def _aligned(aligner: PhoneAligner, phones: Sequence[Tensor], codes: Sequence[Tensor]) -> list[Tensor]:
    def scores_of(index: int) -> Tensor:
        return aligner.emission[phones[index]][:, codes[index]].mT

    return _best(scores_of, [len(sound) for sound in codes], COARSE)


def _best(scores_of: Callable[[int], Tensor], lengths: Sequence[int], costs: StepCosts) -> list[Tensor]:
    """Return the best path of each utterance, from the function that gives its scores [T, P]; T are its lengths."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    paths: list[Tensor] = [torch.empty(0)] * len(lengths)
    with torch.no_grad():
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            scores = [scores_of(index) for index in batch]
            sizes = [torch.tensor([each.shape[side] for each in scores]) for side in (1, 0)]
            wide = [F.pad(each, (0, int(sizes[0].max()) - each.shape[1])) for each in scores]
            found = best_paths(pad_rows(wide), sizes[0], sizes[1], costs=costs)
            for index, path in zip(batch, found, strict=True):
                paths[index] = path[: lengths[index]].clone()
    return paths
