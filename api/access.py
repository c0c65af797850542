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
from litestar.types import Guard

from api.polling import Answers
from daemon import keys, migrate
from daemon.errors import ForbiddenError, UnauthorizedError
from daemon.keys import Caller, KnownKey, Scope
from daemon.world import World

CALLER = "caller"
SPEAKERS = (Scope.READ, Scope.SPEAK)
"""Who may follow and hear what is spoken: readers, and those who ask for it."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _Keys(msgspec.Struct, frozen=True):
    """The keys that are valid in one state of the database."""

    valid: tuple[Any, ...]


def guard_of(world: World, answers: Answers) -> Guard:
    """Return the guard of this process's routes; what it finds out about the caller is kept with the request."""
    needs_key_here = world.settings.access.require_key

    def valid_keys() -> _Keys:
        if not migrate.revision_matches(world.database):
            return _Keys(())  # the handlers refuse until the daemon has prepared it
        with world.database.read() as session:
            return _Keys(keys.valid(session))

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        address = connection.client.host if connection.client is not None else ""
        presented = presented_key(connection)
        trusted = keys.is_loopback(address) and not needs_key_here
        if trusted and presented is None:  # the common case asks nothing of the database
            connection.state[CALLER] = Caller(f"address:{address or 'local'}")
            return
        known = (await answers.get(_Keys, "", valid_keys)).valid
        key = keys.match(known, presented) if presented is not None else None
        if key is None and (trusted or not (known or needs_key_here)):
            # Programs written for other services send some key in any case; here it is not needed.
            connection.state[CALLER] = Caller(f"address:{address or 'local'}")
            return
        connection.state[CALLER] = _admitted(key, presented, scopes_of(connection, handler))

    return guard


def presented_key(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """Return the key that a request carries, None without one."""
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return connection.headers.get("x-api-key") or None


def scopes_of(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> tuple[Scope, ...]:
    """Return the scopes that allow a route: those it names itself, else reading or writing by its method."""
    stated = handler.opt.get("scope")
    if stated is not None:
        return (stated,) if isinstance(stated, Scope) else tuple(stated)
    method = connection.scope.get("method", "GET")
    return (Scope.READ,) if method in _READING else (Scope.WRITE,)


def _admitted(key: KnownKey | None, presented: str | None, scopes: tuple[Scope, ...]) -> Caller:
    if presented is None:
        raise UnauthorizedError("this needs a key; send it in the header Authorization: Bearer KEY")
    if key is None:
        raise UnauthorizedError("the key is not valid; ask the operator of this service for one")
    if not any(key.allows(scope) for scope in scopes):
        raise ForbiddenError(f"the key {key.name!r} does not allow this; it lacks the scope {' or '.join(scopes)}")
    return key.caller


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Return who sends the request."""
    caller: Caller = request.state[CALLER]
    return caller


CallerDependency = NamedDependency[Caller]
