"""`sovits-daemon demo`."""

from __future__ import annotations

import click

from daemon.cli.installation import settings_of


@click.command()
@click.pass_context
def demo(context: click.Context) -> int:
    """Carry one real voice through the whole chain on a fresh state directory."""
    from daemon.demo import run_demo

    return int(run_demo(settings_of(context)) or 0)
