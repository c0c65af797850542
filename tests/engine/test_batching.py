"""Pieces of similar length are generated together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from GPT_SoVITS.batching import packed, pieces_together

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


@given(LENGTHS, st.integers(1, 2_000))
def test_rows_are_packed_once_each_within_the_budget_after_padding(lengths: list[int], budget: int) -> None:
    batches = packed(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


def test_rows_of_a_batch_are_alike_in_length() -> None:
    assert packed([5, 100, 6, 90, 4], budget=200) == [[4, 0, 2], [3, 1]]
