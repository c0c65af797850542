"""What operators see of requests: counters for /metrics, and one audit line for each change.

All API processes write their counters to files in one folder (prometheus_client's multiprocess mode), which the daemon
names in PROMETHEUS_MULTIPROC_DIR; a server started by hand counts for itself.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from api.access import CALLER
from daemon.tables import now

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
LONGEST_AUDIT_BYTES = 10_000_000
"""At this size the audit file is put aside once; the one before it goes."""
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REQUESTS = Counter("sovits_http_requests", "Requests answered.", ["method", "route", "status"])
_SECONDS = Histogram(
    "sovits_http_request_seconds",
    "Time to the end of an answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)


class Observer(ASGIMiddleware):
    """Counts requests by their route, never by their path, so that labels stay few; writes the audit file."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, audit_file: Path) -> None:
        self._audit_file = audit_file

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on and note how it ended."""
        began = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await next_app(scope, receive, noting)
        finally:
            method, route = str(scope["method"]), str(scope.get("path_template", ""))  # type: ignore[typeddict-item]
            _REQUESTS.labels(method, route, status).inc()
            _SECONDS.labels(route).observe(time.perf_counter() - began)
            if method in _CHANGING:
                self._write(scope, method, status)

    def _write(self, scope: Any, method: str, status: int) -> None:
        caller = scope.get("state", {}).get(CALLER)
        client = scope.get("client")
        line = {
            "at": now().isoformat(timespec="milliseconds"),
            "caller": caller.name if caller is not None else None,
            "address": client[0] if client else None,
            "method": method,
            "path": scope["path"],
            "status": status,
        }
        try:
            append_line(self._audit_file, line)
        except OSError as error:
            logger.error("the audit file cannot be written: %s; the line was %s", error.strerror, line)


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one JSON line; short appends of several processes do not mix (O_APPEND, open(2)).

    Raises:
        OSError: it cannot be written.
    """
    encoded = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        if os.fstat(descriptor).st_size > LONGEST_AUDIT_BYTES:
            path.replace(path.with_suffix(".1.jsonl"))
        os.write(descriptor, encoded)
    finally:
        os.close(descriptor)


def request_registry() -> CollectorRegistry:
    """Return the counters of all API processes, or of this one alone when it was started by hand."""
    if not os.environ.get(FOLDER_VARIABLE):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
