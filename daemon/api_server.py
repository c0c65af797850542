"""One API process: serves `api.app:app` on a listening socket that the daemon passes on.

Usage: python -m daemon.api_server DESCRIPTOR [--reload]
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from uvicorn.supervisors import ChangeReload

from daemon import logs
from daemon.settings import CHECKOUT, load_settings

GRACE_S = 10
"""Seconds that open requests get at the end; without a bound one open stream would hold the process for ever."""


def main() -> None:
    """Serve until SIGTERM."""
    settings = load_settings().settings
    logs.configure(settings.log, owner=False)
    listener = socket.socket(fileno=int(sys.argv[1]))
    config = uvicorn.Config(
        "api.app:app",
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
