"""Pieces of similar length are generated together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from GPT_SoVITS.batching import pieces_together

LENGTHS = st.lists(st.integers(1, 600), max_size=40)


@given(LENGTHS, st.integers(1, 20), st.booleans())
def test_every_piece_is_in_exactly_one_batch_of_the_size_allowed(lengths: list[int], size: int, sort: bool) -> None:
    batches = pieces_together(lengths, size, by_length=sort)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in batches)


@given(LENGTHS, st.integers(1, 20), st.floats(0.1, 1.0))
def test_lengths_of_a_batch_are_ordered_and_even(lengths: list[int], size: int, evenness: float) -> None:
    for batch in pieces_together(lengths, size, evenness=evenness):
        ordered = [lengths[index] for index in batch]
        assert ordered == sorted(ordered)
        assert len(batch) == 1 or ordered[len(batch) // 2] >= evenness * sum(ordered) / len(batch) - 1e-9
