"""Only the host names that the operator allows: a page elsewhere cannot reach the service by a name of its own."""

from __future__ import annotations

from fnmatch import fnmatchcase

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from daemon.errors import InvalidInputError


class AllowedHosts(ASGIMiddleware):
    """Refuses requests whose Host header names none of the allowed patterns, such as *.lan."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    def __init__(self, allowed: str) -> None:
        self._patterns = tuple(each.strip().lower() for each in allowed.split(",") if each.strip())

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on, or refuse it.

        Raises:
            InvalidInputError: the host name is not allowed.
        """
        host = _without_port(Headers.from_scope(scope).get("host", "").lower())
        if self._patterns and not any(fnmatchcase(host, pattern) for pattern in self._patterns):
            raise InvalidInputError("this service does not answer under that host name; see access.allowed_hosts")
        await next_app(scope, receive, send)


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if name and port.isdecimal() else host
