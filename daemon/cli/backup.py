"""`sovits-daemon backup` and `sovits-daemon restore`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from daemon.cli.installation import opened, settings_of


@click.command(epilog="Example:  sovits-daemon backup /mnt/backup/voices.tar")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def backup(context: click.Context, file: Path | None) -> None:
    """Write database, recordings, transcripts, features and voices into FILE (.tar or .tar.gz).

    The service may run meanwhile. Not in it: the inbox, logs, base models and your settings file.
    """
    from importlib.metadata import PackageNotFoundError, version

    from daemon.backup import writing
    from daemon.tables import now

    target = file or Path(f"sovits-backup-{now():%Y%m%d-%H%M%S}.tar")
    try:
        installed = version("sovits-daemon")
    except PackageNotFoundError:
        installed = "0"
    with opened(context) as world, _bar("writing") as progress:
        manifest = writing.write(world, target.absolute(), installed, progress)
    size = sum(entry.size for entry in manifest.files.values())
    click.echo(f"{target}: {len(manifest.files)} files, {size / 1e6:.1f} MB")


@click.command(epilog="Example:  sovits-daemon restore --check voices.tar")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only check every byte of the backup.")
@click.option("--replace", is_flag=True, help="Put the present state aside (it is kept in the work directory).")
@click.pass_context
def restore(context: click.Context, file: Path, check: bool, replace: bool) -> None:
    """Make a backup the state of the service, which must not run; nothing is ever overwritten."""
    from daemon.backup import restoring
    from daemon.layout import Layout

    layout = Layout.of(settings_of(context))
    with _bar("checking" if check else "restoring") as progress:
        if check:
            manifest, aside = restoring.check(file, layout, progress), None
        else:
            manifest, aside = restoring.restore(file, layout, replace=replace, progress=progress)
    word = "is whole" if check else f"is restored in {layout.work_dir}"
    click.echo(f"the backup of {manifest.made_at} with {len(manifest.files)} files {word}")
    if aside is not None:
        click.echo(f"what was there before lies in {aside}")


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what draws a progress bar on a terminal; elsewhere nothing is drawn."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=100, label=label, file=sys.stderr) as bar:
        shown = 0

        def progress(done: int, total: int) -> None:
            nonlocal shown
            percent = 100 * done // max(1, total)
            bar.update(percent - shown)
            shown = percent

        yield progress
