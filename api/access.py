"""Who may use a route: a guard before every versioned route.

Programs on this machine need no key unless the settings ask for one. Others need one as soon as there is one; without
any key everybody is served, and the daemon warns of it when it starts.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from api.errors import NOT_READY
from api.polling import Answers
from daemon import keys, migrate
from daemon.errors import BusyError, ForbiddenError, UnauthorizedError
from daemon.keys import Caller, KnownKey, Scope
from daemon.world import World

CALLER = "caller"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _Keys(msgspec.Struct, frozen=True):
    """The keys that are valid in one state of the database."""

    valid: tuple[Any, ...]


class Access:
    """The guard. What it found out about the caller is kept with the request."""

    def __init__(self, world: World, answers: Answers) -> None:
        self._world = world
        self._answers = answers

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let the request through, or refuse it.

        Raises:
            UnauthorizedError: a key is needed, or the one given is not valid.
            ForbiddenError: the key does not allow this route.
        """
        address = connection.client.host if connection.client is not None else ""
        presented = presented_key(connection)
        if presented is None and keys.is_loopback(address) and not self._world.settings.access.require_key:
            connection.state[CALLER] = Caller(f"address:{address or 'local'}")
            return
        known = (await self._answers.get(_Keys, "", self._valid)).valid
        if not known and presented is None and not self._world.settings.access.require_key:
            connection.state[CALLER] = Caller(f"address:{address}")
            return
        connection.state[CALLER] = _admitted(known, presented, scope_of(connection, handler))

    def _valid(self) -> _Keys:
        if not migrate.revision_matches(self._world.database):
            raise BusyError(NOT_READY)
        with self._world.database.read() as session:
            return _Keys(keys.valid(session))


def presented_key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """Return the key that a request carries, None without one."""
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return connection.headers.get("x-api-key") or None


def scope_of(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Scope:
    """Return what a route needs: what it says itself, else reading or writing by its method."""
    stated = handler.opt.get("scope")
    if stated is not None:
        return Scope(stated)
    method = connection.scope.get("method", "GET")
    return Scope.READ if method in _READING else Scope.WRITE


def _admitted(known: tuple[KnownKey, ...], presented: str | None, scope: Scope) -> Caller:
    if presented is None:
        raise UnauthorizedError("this needs a key; send it in the header Authorization: Bearer KEY")
    key = keys.match(known, presented)
    if key is None:
        raise UnauthorizedError("the key is not valid; ask the operator of this service for one")
    if not key.allows(scope):
        raise ForbiddenError(f"the key {key.name!r} does not allow this; it lacks the scope {scope}")
    return key.caller


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Return who sends the request."""
    caller: Caller = request.state[CALLER]
    return caller


CallerDependency = NamedDependency[Caller]
