"""What most commands need: the settings, and the database that they name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from daemon.settings import Settings, load_settings

if TYPE_CHECKING:
    from daemon.world import World

NOT_RUNNING = 4


def settings_of(context: click.Context) -> Settings:
    """Return the settings that the global options lead to."""
    config: Path | None = context.find_root().obj
    return load_settings(config).settings


@contextmanager
def opened(context: click.Context) -> Iterator[World]:
    """Yield the installation; a command on a work directory that never saw a daemon ends with code 4."""
    from daemon import migrate
    from daemon.database import Database
    from daemon.layout import Layout
    from daemon.world import World

    settings = settings_of(context)
    layout = Layout.of(settings)
    if not layout.database.exists():
        leave(f"the service has never run on {layout.work_dir}; start it with `sovits-daemon run`", NOT_RUNNING)
    database = Database(layout.database)
    try:
        if not migrate.revision_matches(database):
            leave(f"{layout.database} belongs to another version; start the service once to bring it up to date", 1)
        yield World(database, settings, layout)
    finally:
        database.close()


def leave(sentence: str, code: int) -> NoReturn:
    """Say why and end the command."""
    click.echo(f"sovits-daemon: {sentence}", err=True)
    sys.exit(code)
