"""When a file has come to rest: size and time unchanged, and no event, for a while. Pure, with an injected clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PATIENCE = 10
"""A file whose header disagrees with its length is passed on after this many settle times without a change."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A file that has come to rest."""

    path: str
    size_bytes: int
    mtime_ns: int
    patient: bool
    """Whether it has rested so long that waiting for its end makes no sense any more."""


@dataclass(slots=True)
class _Watched:
    size_bytes: int
    mtime_ns: int
    since: float
    not_before: float
    reason: str = ""


class StabilityTracker:
    """Remembers files that may still be growing."""

    def __init__(self, settle_s: float, clock: Callable[[], float]) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._files: dict[str, _Watched] = {}

    def __len__(self) -> int:
        return len(self._files)

    def observe(self, path: str, size_bytes: int, mtime_ns: int, *, event: bool = False) -> None:
        """Note how a file looks now; a change or an event begins its rest anew."""
        now = self._clock()
        known = self._files.get(path)
        if known is None:
            self._files[path] = _Watched(size_bytes, mtime_ns, now, now + self._settle_s)
        elif event or (known.size_bytes, known.mtime_ns) != (size_bytes, mtime_ns):
            known.size_bytes, known.mtime_ns, known.reason = size_bytes, mtime_ns, ""
            known.since, known.not_before = now, now + self._settle_s

    def defer(self, path: str, seconds: float, reason: str) -> None:
        """Ask again about a file later, without beginning its rest anew."""
        if path in self._files:
            self._files[path].not_before = self._clock() + seconds
            self._files[path].reason = reason

    def forget(self, path: str) -> None:
        """Drop a file that was dealt with or is gone."""
        self._files.pop(path, None)

    def due(self) -> list[Settled]:
        """Return the files that have come to rest, in the order in which they came."""
        now = self._clock()
        return [
            Settled(path, each.size_bytes, each.mtime_ns, now - each.since >= PATIENCE * self._settle_s)
            for path, each in self._files.items()
            if now >= each.not_before
        ]

    def under(self, prefix: str) -> list[str]:
        """Return the paths that begin with a prefix."""
        return [path for path in self._files if path.startswith(prefix)]

    def waiting(self) -> dict[str, str]:
        """Return each path with why it waits."""
        return {path: each.reason or "still settling" for path, each in self._files.items()}
