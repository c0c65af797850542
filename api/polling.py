"""Status answers for clients that poll: computed once for each state of the database, however many ask.

SQLite's data_version, asked on a connection that never writes, changes with every commit of anybody else. As long as
it stays the same, so does every answer that follows from the database alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from anyio import to_thread
from litestar.di import NamedDependency

T = TypeVar("T", bound=msgspec.Struct)

MAX_ANSWERS = 4096


class DataVersion:
    """A number that differs after every commit of anybody; microseconds to ask. Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def current(self) -> int | None:
        """Return the number, None when the database cannot tell."""
        try:
            if self._connection is None:
                uri = f"{self._path.as_uri()}?mode=ro"
                self._connection = sqlite3.connect(uri, uri=True, timeout=0, check_same_thread=False)
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return None
        return version

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Answers:
    """Answers that hold for the present state of the database. Used from the event loop only."""

    def __init__(self, path: Path) -> None:
        self._data_version = DataVersion(path)
        self._version: int | None = None
        self._known: dict[tuple[type[msgspec.Struct], str], msgspec.Struct] = {}

    async def get(self, kind: type[T], name: str, compute: Callable[[], T]) -> T:
        """Return the answer of this kind about `name`; computed in a thread when the database has changed."""
        version = self._data_version.current()
        if version is None or version != self._version or len(self._known) >= MAX_ANSWERS:
            self._known.clear()
            self._version = version
        found = self._known.get((kind, name))
        if isinstance(found, kind):
            return found
        answer = await to_thread.run_sync(compute)
        # What was read may be newer than the version, never older, so at worst it is computed once more.
        if version is not None and version == self._version:
            self._known[kind, name] = answer
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._data_version.close()


AnswersDependency = NamedDependency[Answers]
