"""The two training recipes as data (values of the public s2 and s1 configurations and of the code behind them)."""

from __future__ import annotations

from dataclasses import dataclass

from GPT_SoVITS.families import Family
from GPT_SoVITS.training.direct_trainer import Schedule

SMALL_SET = 100
"""The public loaders repeat sets of fewer items."""
SOVITS_BATCHES_PER_EPOCH = 2
GPT_BATCHES_PER_EPOCH = 3
"""Updates of an epoch of a direct family at least; a minute of speech is gone through several times for them."""


@dataclass(frozen=True, slots=True)
class SovitsRecipe:
    """How the semantic-to-waveform model (s2) is trained."""

    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = 1e-9
    weight_decay: float = 0.01
    decay_per_epoch: float = 0.999875
    text_rate: float = 0.4
    """Learning rate of the text side (text embedding, text encoder, mrte), as a share of the rest's."""
    bucket_limits_frames: tuple[int, ...] = (32, *range(300, 2000, 100))
    """An item of more frames than one limit and at most the next belongs to that bucket; others are left out."""
    small_set: int = SMALL_SET
    """Sets of fewer items are repeated within an epoch."""


@dataclass(frozen=True, slots=True)
class GptRecipe:
    """How the text-to-semantic model (s1) is trained."""

    batches_per_update: int = 4
    """Gradients of so many batches are summed; an epoch's first batch never updates."""
    bucket_width_s: float = 2.0
    phones_per_second: tuple[float, float] = (3.0, 25.0)
    """Clips spoken slower or faster than this are left out: their transcript is wrong."""
    frames_per_second: int = 25
    slowest_phones_per_second: float = 2.5
    """Bounds the number of phones of the longest item."""
    preference: bool = False
    """Whether damaged copies of the codes are trained against (DPO); the batch is half as large then."""
    small_set: int = SMALL_SET
    """Sets of fewer items are repeated within an epoch."""


@dataclass(frozen=True, slots=True)
class DurationLimits:
    """Clips are used when they are longer than `shortest_s` and shorter than `longest_s`, both in seconds."""

    shortest_s: float = 0.6
    longest_s: float = 54.0


def sovits_recipe(family: Family) -> SovitsRecipe:
    """Return the recipe of a family; a direct one only takes its clips by it (see `sovits_schedule`)."""
    if family.sovits.is_direct:
        return SovitsRecipe(bucket_limits_frames=(32, 1900))
    return SovitsRecipe()


def gpt_recipe(family: Family, *, preference: bool = False) -> GptRecipe:
    """Return the recipe of a family, with or without preference training (DPO)."""
    return GptRecipe(preference=preference)


def sovits_schedule(epochs: int) -> Schedule:
    """Return how a direct family's semantic-to-waveform model learns a voice from its base in so many epochs."""
    return Schedule(
        learning_rate=4e-4,
        total_updates=epochs * SOVITS_BATCHES_PER_EPOCH,
        warmup_updates=10,
        batch_codes=400,
        least_batches=SOVITS_BATCHES_PER_EPOCH,
        misheard_share=0.4,
        unheard_share=0.25,
    )


def gpt_schedule(epochs: int) -> Schedule:
    """Return how a text-to-semantic model with a pointer learns a voice from its base in so many epochs."""
    return Schedule(
        learning_rate=1e-4,
        total_updates=epochs * GPT_BATCHES_PER_EPOCH,
        warmup_updates=10,
        batch_codes=400,
        least_batches=GPT_BATCHES_PER_EPOCH,
    )


def repetitions(items: int, small_set: int = SMALL_SET) -> int:
    """Return how often the list of items is gone through in one epoch, as the public loaders have it."""
    return max(2, small_set // items) if 0 < items < small_set else 1
