"""What was not used for longest goes first, and the budget holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from GPT_SoVITS.least_recent import LeastRecentlyUsed


def test_a_value_is_made_once_until_it_is_pushed_out() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key

    store: LeastRecentlyUsed[str, str] = LeastRecentlyUsed(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert store.get(key, lambda key=key: make(key)) == key  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"], "b was used before a when c came"
    store.discard(lambda key: key == "a")
    assert len(store) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60))), st.integers(1, 100))
def test_sizes_stay_within_the_budget_unless_one_value_is_larger(uses: list[tuple[int, int]], budget: int) -> None:
    store: LeastRecentlyUsed[int, int] = LeastRecentlyUsed(budget, lambda value: value)
    for key, size in uses:
        value = store.get(key, lambda size=size: size)  # type: ignore[misc]
        assert store.size <= budget or (len(store) == 1 and store.size == value)
