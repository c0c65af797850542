"""`status`, `jobs`, `cancel` and `retry`."""

from __future__ import annotations

import json
from typing import Any

import click

from daemon.cli.installation import NOT_RUNNING, opened


@click.command(epilog="Example:  sovits-daemon status --json")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> int:
    """Show the service, its characters and what is going on (code 4 when the service is not running)."""
    from daemon import status as report

    with opened(context) as world:
        found = report.gather(world)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2, default=str) if as_json else report.as_text(found))
    return 0 if found["running"] else NOT_RUNNING


@click.command(epilog="Example:  sovits-daemon jobs --json")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1), help="How many.")
@click.pass_context
def jobs(context: click.Context, as_json: bool, limit: int) -> None:
    """List jobs, newest first."""
    from daemon import status as report

    with opened(context) as world:
        rows = report.jobs(world, limit)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=str))
    elif not rows:
        click.echo("no jobs yet")
    for row in [] if as_json else rows:
        click.echo(_line(row))


@click.command(epilog="Example:  sovits-daemon cancel alice")
@click.argument("job_or_character")
@click.pass_context
def cancel(context: click.Context, job_or_character: str) -> int:
    """Cancel a job: its number, or a character's pending or running one."""
    from daemon import queue

    with opened(context) as world, world.database.write() as session:
        job = queue.find(session, job_or_character)
        if job.status not in queue.ACTIVE:
            click.echo(f"job {job.id} is {job.status} already; nothing to cancel")
            return 3
        queue.request_cancel(session, job)
        word = "is cancelled" if job.status == "cancelled" else "is asked to stop"
        click.echo(f"job {job.id} {word}")
    return 0


@click.command(epilog="Example:  sovits-daemon retry 12")
@click.argument("job_or_character")
@click.pass_context
def retry(context: click.Context, job_or_character: str) -> int:
    """Run a failed or cancelled job again: its number, or a character's newest one."""
    from daemon import queue

    with opened(context) as world, world.database.write() as session:
        old = queue.find(session, job_or_character)
        if old.status in queue.ACTIVE:
            click.echo(f"job {old.id} is {old.status}; nothing to retry")
            return 3
        new = queue.retry(session, old)
        click.echo(f"queued as job {new.id}")
    return 0


def _line(row: dict[str, Any]) -> str:
    where = f" {row['step']}" if row["step"] else ""
    error = f"  {row['error']}" if row["error"] else ""
    state = f"{row['kind']:<8}{row['status']:<10}{row['progress']:>5.1f} %"
    return f"{row['id']:>5}  {row['character']}  {state}{where}{error}"
