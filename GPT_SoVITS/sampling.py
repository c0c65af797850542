"""Drawing one semantic token from logits, in the order of the public implementation.

1. repetition penalty, in place: later tests on the same logits see it;
2. top-p on the un-tempered logits; the token that crosses p is dropped too, the best one always stays;
3. temperature; 4. top-k, ties stay; 5. softmax;
6. the draw is argmax(probability / e) with e exponentially distributed: a sample from the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_SMALLEST_TEMPERATURE = 1e-5
_NOISE_STEPS = 16


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is chosen; `top_k=1` always takes the best one."""

    top_k: int | None = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35

    @property
    def greedy(self) -> bool:
        """Whether the best token is always taken, so that nothing is drawn."""
        return self.top_k == 1

    def __post_init__(self) -> None:
        """Refuse values that have no meaning.

        Raises:
            ValueError: names the option and the values it takes.
        """
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; it must be 1 or more, or None for no limit")
        if not 0.0 <= self.top_p <= 1.0:
            raise ValueError(f"top_p is {self.top_p}; it must lie between 0 and 1")
        if not self.temperature >= 0.0:
            raise ValueError(f"temperature is {self.temperature}; it must be 0 or more")
        if not self.repetition_penalty > 0.0:
            raise ValueError(f"repetition_penalty is {self.repetition_penalty}; it must be above 0")


def penalise_repetition(logits: Tensor, seen: Tensor, penalty: float) -> None:
    """Make tokens that were used before less likely, in place.

    Args:
        logits: float [B, V], changed.
        seen: bool [B, V], True for every token that is already in the sequence (prompt included).
        penalty: positive scores are divided by it, negative ones multiplied (Keskar et al. 2019, CTRL, 4.1).
    """
    if penalty == 1.0:
        return
    punished = torch.where(logits < 0, logits * penalty, logits / penalty)
    torch.where(seen, punished, logits, out=logits)


def token_probabilities(logits: Tensor, options: SamplingOptions) -> Tensor:
    """Return the probabilities [B, V] that the draw uses, from logits [B, V] after the repetition penalty."""
    if options.top_p < 1.0:
        logits = _nucleus(logits, options.top_p)
    logits = logits / max(options.temperature, _SMALLEST_TEMPERATURE)
    if options.top_k is not None and options.top_k < logits.shape[-1]:
        smallest_kept = torch.topk(logits, options.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest_kept, -torch.inf)
    return torch.softmax(logits, dim=-1)


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    ordered, order = torch.sort(logits, descending=True, dim=-1)
    dropped = torch.softmax(ordered, dim=-1).cumsum(dim=-1) > top_p
    dropped[:, 0] = False
    return logits.masked_fill(torch.zeros_like(dropped).scatter(1, order, dropped), -torch.inf)


def draw(probabilities: Tensor, noise: Tensor) -> Tensor:
    """Draw one token for each row of `probabilities` [B, V] with exponential noise [B, V]; return int64 [B]."""
    return torch.argmax(probabilities / noise, dim=-1)


def sample(logits: Tensor, seen: Tensor, options: SamplingOptions, noise: Tensor | None) -> Tensor:
    """Penalise `logits` [B, V] in place and draw one token for each row; return int64 [B].

    Args:
        logits: float, changed by the repetition penalty.
        seen: bool [B, V], tokens already in each sequence.
        options: how to choose.
        noise: exponentially distributed [B, V]; None where `options.greedy` needs none.
    """
    penalise_repetition(logits, seen, options.repetition_penalty)
    if noise is None:
        return torch.argmax(logits, dim=-1)
    return draw(token_probabilities(logits, options), noise)


class NoiseSource:
    """Exponential noise for the draws of several sequences, each from a generator of its own.

    It is made on the CPU, a few steps at a time: a seed then means the same on every device, and a sequence does not
    depend on those beside it.
    """

    def __init__(self, generators: Sequence[torch.Generator | None], vocabulary: int, device: torch.device) -> None:
        """Take one CPU generator a row; None means torch's global one."""
        self._generators = list(generators)
        self._vocabulary, self._device = vocabulary, device
        self._block = torch.empty(0)

    def at(self, step: int) -> Tensor:
        """Return the noise [B, V] of a step; steps are asked for in order, from 0."""
        if step % _NOISE_STEPS == 0:
            rows = [self._drawn(generator) for generator in self._generators]
            self._block = torch.stack(rows, dim=1).to(self._device, non_blocking=True)  # [steps, B, V]
        return self._block[step % _NOISE_STEPS]

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Keep only the sequences at these places."""
        self._generators = [self._generators[row] for row in rows]
        self._block = self._block[:, rows]

    def _drawn(self, generator: torch.Generator | None) -> Tensor:
        return torch.empty(_NOISE_STEPS, self._vocabulary).exponential_(generator=generator)
