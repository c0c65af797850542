"""Which pieces of a text, or which clips, go through a network together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

LEAST_EVENNESS = 0.75


def pieces_together(
    lengths: Sequence[int], batch_size: int, *, evenness: float = LEAST_EVENNESS, by_length: bool = True
) -> list[list[int]]:
    """Return batches of pieces as indices into `lengths`; the caller puts the results back in order.

    Args:
        lengths: characters of each piece's normalised text.
        batch_size: the most pieces a batch holds, at least 1.
        evenness: a batch is cut short until its middle length is at least so large a share of its mean length.
        by_length: False takes the pieces in their order, in groups of `batch_size`.
    """
    if not by_length:
        return [
            list(range(start, min(start + batch_size, len(lengths)))) for start in range(0, len(lengths), batch_size)
        ]
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    batches = []
    start = 0
    while start < len(order):
        size = min(batch_size, len(order) - start)
        while size > 1 and not _is_even([lengths[index] for index in order[start : start + size]], evenness):
            size -= 1
        batches.append(order[start : start + size])
        start += size
    return batches


def packed(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Return batches of what is alike in length, as indices into `lengths`; the caller puts the results back in order.

    Args:
        lengths: length of each row before padding.
        budget: the most that a batch holds once its rows are padded to the longest; a longer row goes alone.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        # Rows come in order of length: the newest one is what all are padded to.
        if batches and (len(batches[-1]) + 1) * lengths[index] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def encoded_together(
    rows: Sequence[Tensor], budget: int, encode: Callable[[Sequence[Tensor]], Iterable[Tensor]]
) -> list[Tensor]:
    """Return what `encode` makes of each of the rows [length, ...], given to it in batches that `packed` makes."""
    made: dict[int, Tensor] = {}
    for batch in packed([len(row) for row in rows], budget):
        made |= zip(batch, encode([rows[index] for index in batch]), strict=True)
    return [made[index] for index in range(len(rows))]


def _is_even(ordered: Sequence[int], evenness: float) -> bool:
    return ordered[len(ordered) // 2] * len(ordered) >= evenness * sum(ordered)
