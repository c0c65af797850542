"""One API process: serves `api.app:app` on a listening socket that the daemon passes on.

Usage: python -m daemon.api_server DESCRIPTOR [--reload]
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Iterator

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import ChangeReload

from daemon import logs
from daemon.errors import ServiceError
from daemon.settings import CHECKOUT, load_settings

GRACE_S = 10
"""Seconds that open requests get at the end; without a bound one open stream would hold the process for ever."""


class HttpProtocol(H11Protocol):
    """Answers what is no HTTP with the body that all errors have."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read and close the connection; an answer that has begun only ends."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            sentence = "this is not a valid HTTP/1.1 request, or its headers are too long"
            body = json.dumps({"status_code": 400, "detail": sentence}).encode()
            headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
            head = h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request")
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def without_traceback(record: logging.LogRecord) -> bool:
    """Tell of a stream that had to end early in one line; only closing its connection tells the listener.

    A filter for the server's log: the refusal reaches the server as an exception, since the answer has begun.
    """
    refusal = next(_refusals(record.exc_info[1]), None) if record.exc_info else None
    if refusal is not None:
        record.msg, record.args = "an answer was broken off: %s", (refusal,)
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
    return True


def _refusals(error: BaseException | None) -> Iterator[ServiceError]:
    """Yield the refusals that an exception was made of."""
    if isinstance(error, ServiceError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _refusals(each)
    elif error is not None:
        yield from _refusals(error.__cause__)


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings().settings
    logs.configure(settings.log, owner=False)
    logging.getLogger("uvicorn.error").addFilter(without_traceback)
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "api.app:app",
        http=HttpProtocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=15,
        h11_max_incomplete_event_size=64 * 1024,
        server_header=False,
        reload="--reload" in sys.argv,
        reload_dirs=[str(CHECKOUT / "api"), str(CHECKOUT / "daemon")] if "--reload" in sys.argv else None,
    )
    server = uvicorn.Server(config)
    if config.should_reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
    else:
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
