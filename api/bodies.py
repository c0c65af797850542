"""Bodies that come too slowly, or break off: a clear refusal instead of a request that never ends.

How long a body may keep the server waiting is measured as Apache's mod_reqtimeout does it (`body=60,MinRate=500`): a
stock of seconds that waiting uses up and that bytes fill again. Time that the service itself needs does not count.
"""

from __future__ import annotations

import asyncio
import time

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPReceiveMessage, Receive, Scope, Send

from daemon.errors import InvalidInputError, TooSlowError

LEAST_BYTES_PER_S = 500.0
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class PromptBodies(ASGIMiddleware):
    """Gives a handler the body as long as it comes; afterwards, and for other methods, nothing is measured."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on with a `receive` that raises when the body does not come.

        Raises:
            TooSlowError: the client kept the server waiting for too long.
            InvalidInputError: it went away, or sent no HTTP any more.
        """
        if scope["method"] not in _WITH_BODY:  # type: ignore[typeddict-item]
            return await next_app(scope, receive, send)
        left_s, complete = self._patience_s, False

        async def prompt() -> HTTPReceiveMessage:
            nonlocal left_s, complete
            if complete:
                return await receive()  # type: ignore[return-value]
            began = time.monotonic()
            try:
                async with asyncio.timeout(left_s):
                    message = await receive()
            except TimeoutError as error:
                complete = True
                raise TooSlowError(f"the body did not come within {self._patience_s:g} s; send it faster") from error
            if message["type"] != "http.request":
                complete = True
                raise InvalidInputError("the body ended early")
            complete = not message.get("more_body", False)
            gained_s = len(message["body"]) / LEAST_BYTES_PER_S
            left_s = min(self._patience_s, max(0.0, left_s - (time.monotonic() - began) + gained_s))
            return message

        return await next_app(scope, prompt, send)
