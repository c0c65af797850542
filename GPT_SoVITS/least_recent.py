"""A store of bounded size that lets go of what was not used for longest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LeastRecentlyUsed(Generic[Key, Value]):
    """Keeps values while their sizes together stay within a budget; the newest is always kept."""

    def __init__(self, budget: int, size_of: Callable[[Value], int] = lambda value: 1) -> None:
        """Take the budget, in the unit that `size_of` measures in; without one it counts values."""
        self._budget, self._size_of = budget, size_of
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._sizes: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._values)

    @property
    def size(self) -> int:
        """The sizes of all kept values together."""
        return sum(self._sizes.values())

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of `key`, made now if it is not kept."""
        if key not in self._values:
            value = make()
            self._values[key], self._sizes[key] = value, self._size_of(value)
        self._values.move_to_end(key)
        while self.size > self._budget and len(self._values) > 1:
            oldest, _ = self._values.popitem(last=False)
            del self._sizes[oldest]
        return self._values[key]

    def discard(self, matches: Callable[[Key], bool]) -> None:
        """Let go of every value whose key matches."""
        for key in [key for key in self._values if matches(key)]:
            del self._values[key], self._sizes[key]
