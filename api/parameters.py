"""What handlers are given: the world of this process, and parts of the address."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, TypeVar

from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from api.errors import NOT_READY
from daemon import migrate
from daemon.errors import BusyError, InvalidInputError
from daemon.world import World

LARGEST_ID = 2**53
"""The largest whole number that every JSON reader keeps exactly."""
WorldDependency = NamedDependency[World]
CharacterName = Annotated[str, PathParameter(description="name of a character")]
FileName = Annotated[str, PathParameter(description="name of a file")]
JobNumber = Annotated[int, PathParameter(description="number of a job", ge=1, le=LARGEST_ID)]
CharacterFilter = Annotated[str, QueryParameter(description="only what belongs to this character; left out: all")]
Limit = Annotated[int, QueryParameter(ge=1, le=500, description="how many at most")]
Offset = Annotated[int, QueryParameter(ge=0, le=LARGEST_ID, description="how many to leave out at the beginning")]
Word = TypeVar("Word", bound=StrEnum)
InferenceId = Annotated[str, PathParameter(description="id of an inference")]


def one_of(kind: type[Word], field: str, value: str) -> Word | None:
    """Return which of some words a query parameter is, None when it was left out.

    Such parameters are plain text for Litestar, which would take the word `null` for one that was left out.

    Raises:
        InvalidInputError: it is none of them.
    """
    if not value:
        return None
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidInputError(f"{field}: {value[:50]!r} is unknown; use {', '.join(kind)}") from error


def provider_of(world: World) -> Callable[[], World]:
    """Return the provider of a world; it refuses until the daemon has prepared the database."""
    ready = False

    def provide() -> World:
        nonlocal ready
        ready = ready or migrate.revision_matches(world.database)
        if not ready:
            raise BusyError(NOT_READY)
        return world

    return provide
