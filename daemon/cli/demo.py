"""`sovits-daemon demo`."""

from __future__ import annotations

import click

from daemon.cli.installation import settings_of


@click.command(epilog="Example:  SOVITS_PATHS__WORK_DIR=/tmp/demo sovits-daemon demo")
@click.pass_context
def demo(context: click.Context) -> None:
    """Carry one real voice through the whole chain on a fresh state directory."""
    from daemon.demo.run import run_demo

    run_demo(settings_of(context))
