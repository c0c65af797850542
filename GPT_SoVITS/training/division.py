"""Batches that do not fit the memory: they are cut into parts, whose gradients add up to the same."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from GPT_SoVITS.devices import free_memory, is_out_of_memory
from GPT_SoVITS.errors import TrainingMemoryError

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Division:
    """Into how many parts each batch is cut: 1, or 2 after the memory was full once."""

    parts: int = 1

    def attempt(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; when the memory is full, halve the batch and do it again from the start.

        `work` computes gradients only, anew at each call, so that nothing is half done when it fails.

        Raises:
            TrainingMemoryError: the memory is full with halved batches, too.
        """
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.parts > 1:
                    raise TrainingMemoryError(
                        "the memory is full although every batch is halved already; lower batch_size, "
                        "leave out the longest clips, or end other programs that use this device"
                    ) from error
            # Only here, when the error is gone, are the tensors free that its traceback held.
            self.parts = 2
            free_memory()
            logger.warning("the memory is full: from here on each batch is computed in two halves, with equal results")

    def cut(self, rows: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield the rows of a batch in as many parts of nearly equal size; none is empty."""
        size = -(-len(rows) // self.parts)
        for start in range(0, len(rows), max(1, size)):
            yield rows[start : start + size]
