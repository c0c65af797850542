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
    held: bool = False


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
            known.size_bytes, known.mtime_ns, known.reason, known.held = size_bytes, mtime_ns, "", False
            known.since, known.not_before = now, now + self._settle_s

    def defer(self, path: str, seconds: float, reason: str, *, held: bool = True) -> None:
        """Ask again about a file later, without beginning its rest anew.

        Args:
            path: the file.
            seconds: when.
            reason: what people are told meanwhile.
            held: whether something else is in the way, so that nobody should wait for this file.
        """
        if path in self._files:
            watched = self._files[path]
            watched.not_before, watched.reason, watched.held = self._clock() + seconds, reason, held

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

    def settling(self) -> dict[str, str]:
        """Return each path that will be dealt with by itself soon, with why it waits."""
        return {path: each.reason or "still settling" for path, each in self._files.items() if not each.held}

    def held(self) -> dict[str, str]:
        """Return each path that waits for something else, with what that is."""
        return {path: each.reason for path, each in self._files.items() if each.held}
