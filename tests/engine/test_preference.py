"""Rejected codes: every row repeats a stretch or leaves one out."""

from __future__ import annotations

import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from GPT_SoVITS.training.preference import reject_codes


def _is_damaged_copy(row: list[int], original: list[int]) -> bool:
    """Whether `row` is `original` with one stretch said twice or left out."""
    places = range(len(original))
    return any(
        row in (original[:last] + original[first:], original[:first] + original[last:])
        for first in places
        for last in places[first:]
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 25), st.integers(0, 2**32))
def test_each_row_repeats_or_drops_a_stretch(rows: int, width: int, seed: int) -> None:
    codes = torch.arange(1, rows * width + 1).view(rows, width)
    worse = reject_codes(codes, torch.full((rows,), width), random.Random(seed))
    assert worse.codes.shape == (rows, int(worse.lengths.max())) and worse.codes.dtype == torch.int64
    for row, length, original in zip(worse.codes.tolist(), worse.lengths.tolist(), codes.tolist(), strict=True):
        assert _is_damaged_copy(row[:length], original)
        assert not any(row[length:])


def test_the_same_state_gives_the_same_rows_and_both_damages_happen() -> None:
    codes, lengths = torch.randint(0, 1024, (200, 30)), torch.full((200,), 30)
    once, again = (reject_codes(codes, lengths, random.Random(5)) for _ in range(2))
    assert torch.equal(once.codes, again.codes) and torch.equal(once.lengths, again.lengths)
    shorter = int((once.lengths < 30).sum())
    longer = int((once.lengths > 30).sum())
    assert 60 < shorter < 140 and 60 < longer < 140
