"""`sovits-daemon run`."""

from __future__ import annotations

from pathlib import Path

import click

from daemon import logs
from daemon.settings import load_settings


@click.command(epilog="Example:  sovits-daemon run --host 127.0.0.1 --port 8080")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 lets the system choose one.")
@click.option("--reload", is_flag=True, default=None, help="Restart the API when its code changes (development).")
@click.option("--config", type=click.Path(path_type=Path), help="YAML settings file.")
@click.option("--once", is_flag=True, help="Take, process and train all there is, then leave (3: nothing to do).")
@click.pass_context
def run(
    context: click.Context, host: str | None, port: int | None, reload: bool | None, config: Path | None, once: bool
) -> int:
    """Run the service until it is stopped."""
    overrides = {("server", "host"): host, ("server", "port"): port, ("server", "reload"): reload}
    settings = load_settings(config or context.find_root().obj, overrides).settings
    logs.configure(settings.log)
    from daemon import service

    return service.run(settings, once=once)
