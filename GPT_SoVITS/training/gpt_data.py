"""The data set of the text-to-semantic model: checking, bucketing and padding."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from GPT_SoVITS.dataset import TEXT_FEATURES_FOLDER, SemanticLine, TextLine, ids_of_codes, load_matrix
from GPT_SoVITS.errors import TrainingDataError
from GPT_SoVITS.families import Family
from GPT_SoVITS.training.recipe import GptRecipe, repetitions
from GPT_SoVITS.training.sovits_data import LeftOut, check_enough, known_ids, pad_rows


@dataclass(frozen=True, slots=True)
class GptItem:
    """One clip: phones int64 [P], its 25 Hz codes int64 [T], and text features float [width, P]; None for zeros."""

    name: str
    phones: Tensor
    codes: Tensor
    seconds: float
    bert: Tensor | None = None


@dataclass(frozen=True, slots=True)
class GptBatch:
    """Padded items; phones [B, P] with 0, codes [B, T] with the end token, bert [B, width, P] with 0."""

    phones: Tensor
    phones_lengths: Tensor
    codes: Tensor
    codes_lengths: Tensor
    bert: Tensor


def load_gpt_items(
    experiment: Path, texts: dict[str, TextLine], semantics: Iterable[SemanticLine], family: Family, recipe: GptRecipe
) -> tuple[list[GptItem], list[LeftOut]]:
    """Return the clips that can be trained on, in the order of the semantic file, and the others with reasons.

    Args:
        experiment: the experiment folder, for the text features of those clips that have some.
        texts: the lines of 2-name2text.txt by clip.
        semantics: the rows of 6-name2semantic.tsv to use.
        family: decides on symbols and lengths.
        recipe: decides what is too fast or too slow.

    Raises:
        TrainingDataError: no clip is left.
    """
    items: list[GptItem] = []
    left_out: list[LeftOut] = []
    for line in semantics:
        try:
            item = _item(texts.get(line.name), line, family, recipe)
            items.append(replace(item, bert=_text_features(experiment, item, family)))
        except TrainingDataError as error:
            left_out.append(LeftOut(line.name, str(error)))
    check_enough(len(items), left_out)
    return items, left_out


def _text_features(experiment: Path, item: GptItem, family: Family) -> Tensor | None:
    """Return the text features of a clip as they are stored; only clips with Chinese text have them."""
    path = experiment / TEXT_FEATURES_FOLDER / f"{item.name}.pt"
    if family.text_encoder is None or not path.exists():
        return None
    return load_matrix(path, (family.gpt.bert_channels, item.phones.shape[0]))


def _item(text: TextLine | None, line: SemanticLine, family: Family, recipe: GptRecipe) -> GptItem:
    if text is None:
        raise TrainingDataError("the clip has no phones; its transcript is missing or cannot be spoken")
    if not line.codes or not all(0 <= code < family.gpt.eos for code in line.codes):
        raise TrainingDataError("the clip's codes are empty or outside the codebook; make them again")
    phones = known_ids(text.phones, family.sovits.symbols)
    seconds = len(line.codes) / recipe.frames_per_second
    longest_s = family.gpt.max_sec
    if seconds > longest_s or len(phones) > longest_s * recipe.frames_per_second / recipe.slowest_phones_per_second:
        raise TrainingDataError(f"the clip is longer than {longest_s} s, or its text is longer than fits that time")
    slowest, fastest = recipe.phones_per_second
    if not slowest <= len(phones) / seconds <= fastest:
        raise TrainingDataError(
            f"the transcript has {len(phones) / seconds:.1f} phones a second, outside {slowest:g} to {fastest:g}; "
            "correct it or exclude the clip"
        )
    return GptItem(line.name, torch.tensor(phones, dtype=torch.int64), ids_of_codes(line.codes), seconds)


def gpt_batch_size(items: int, wanted: int) -> int:
    """Return the batch size for so many items (repetitions counted): at most a quarter of them, at least 1."""
    return max(1, min(wanted, items // 4))


def gpt_batches(seconds: Sequence[float], batch_size: int, epoch: int, recipe: GptRecipe) -> list[list[int]]:
    """Return the batches of one epoch as indices into the items; the order follows from the epoch alone.

    As in the public loader, groups are made bucket by bucket and shuffled, and the flat order is then cut anew, so
    that a short group shifts the batches after it.
    """
    indices = list(range(len(seconds))) * repetitions(len(seconds), recipe.small_set)
    size = gpt_batch_size(len(indices), batch_size)
    order = random.Random(epoch)
    mixed: list[int] = []
    for bucket in _buckets(sorted(indices, key=lambda index: seconds[index]), seconds, recipe.bucket_width_s):
        order.shuffle(bucket)
        mixed.extend(bucket)
    groups = [mixed[start : start + size] for start in range(0, len(mixed), size)]
    order.shuffle(groups)
    flat = [index for group in groups for index in group]
    return [flat[start : start + size] for start in range(0, len(flat), size)]


def _buckets(ordered: Sequence[int], seconds: Sequence[float], width_s: float) -> list[list[int]]:
    """Divide indices, shortest item first; each new bucket's limit is one width further, however long its item is."""
    buckets: list[list[int]] = [[]]
    limit_s = width_s
    for index in ordered:
        if seconds[index] >= limit_s:
            buckets.append([])
            limit_s += width_s
        buckets[-1].append(index)
    return buckets


def collate_gpt(items: Sequence[GptItem], family: Family) -> GptBatch:
    """Pad items into a batch; items without text features get zeros for them."""
    phones = pad_rows([item.phones for item in items])
    bert = torch.zeros(len(items), family.gpt.bert_channels, phones.shape[1])
    for row, item in zip(bert, items, strict=True):
        if item.bert is not None:
            row[:, : item.bert.shape[1]] = item.bert
    return GptBatch(
        phones,
        torch.tensor([item.phones.shape[0] for item in items]),
        pad_rows([item.codes for item in items], family.gpt.eos),
        torch.tensor([item.codes.shape[0] for item in items]),
        bert,
    )
