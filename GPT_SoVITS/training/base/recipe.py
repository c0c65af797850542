"""Every choice of a base training in one record; it is written beside the weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from GPT_SoVITS.training.direct_trainer import Schedule


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """How a base is made. The sizes of the networks are the family's."""

    seed: int = 1234
    codebook_rows: int = 100_000
    """Frame pairs that the codebook is fitted to."""
    codebook_directions: int = 192
    """Principal directions that the codebook's centres are kept in."""
    sovits: Schedule = field(
        default_factory=lambda: Schedule(
            learning_rate=1e-3,
            total_updates=11_000,
            warmup_updates=100,
            batch_codes=400,
            misheard_share=0.4,
            unheard_share=0.25,
        )
    )
    gpt: Schedule = field(
        default_factory=lambda: Schedule(
            learning_rate=1e-3, total_updates=3000, warmup_updates=200, misheard_share=0.15
        )
    )
    paces: int = 2
    """Times that each recording is also heard at another pace, for the text-to-semantic model."""
    slower: tuple[float, float] = (0.86, 0.95)
    faster: tuple[float, float] = (1.05, 1.16)
    """Between which speeds a pace is drawn, either slower or faster."""
    validation_items: int = 48
    """Utterances that the validation loss is taken over."""
    precision: str = "bfloat16"
    """Of the matrix products where the device has instructions for it; weights and optimiser stay in float32."""
