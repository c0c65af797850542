"""`sovits-daemon doctor`."""

from __future__ import annotations

import dataclasses
import json

import click

from daemon.cli.installation import settings_of

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(epilog="Example:  sovits-daemon --config config.yaml doctor")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> int:
    """Check this machine and say what to do (code 1 when something is wrong)."""
    from daemon.doctor import Finding, Level, examine

    found: list[Finding] = []
    for finding in examine(settings_of(context)):
        found.append(finding)
        if not as_json:
            mark = click.style(f"{finding.level:<5}", fg=COLOURS[finding.level])
            click.echo(f"{mark} {finding.name:<19} {finding.said}")
            if finding.remedy:
                click.echo(f"{'':<25} → {finding.remedy}")
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], ensure_ascii=False, indent=2))
    return 1 if any(each.level is Level.FAIL for each in found) else 0
