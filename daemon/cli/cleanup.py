"""`sovits-daemon cleanup`."""

from __future__ import annotations

import click

from daemon.cli.installation import opened

NOTHING_TO_DO = 3


@click.command(epilog="Example:  sovits-daemon cleanup --dry-run")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@click.pass_context
def cleanup(context: click.Context, dry_run: bool) -> int:
    """Remove what is past its time by the settings: events, spoken sentences, job logs, old versions of voices.

    Recordings, transcripts and voices that speak are never touched.
    """
    from daemon import retention

    with opened(context) as world:
        litter = retention.find(world)
        size = litter.size_bytes
        if litter and not dry_run:
            litter = retention.tidy(world)
        for path in litter.files:
            click.echo(f"{'would remove' if dry_run else 'removed'} {path.relative_to(world.layout.work_dir)}")
    if not litter:
        click.echo("there is nothing past its time")
        return NOTHING_TO_DO
    word = "would go" if dry_run else "are gone"
    click.echo(
        f"{litter.events} events, {len(litter.inferences)} sentences, {litter.versions} versions of voices and "
        f"{size / 1e6:.1f} MB of other files {word}"
    )
    return 0
