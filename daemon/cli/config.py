"""`sovits-daemon config`."""

from __future__ import annotations

import json

import click

from daemon.settings import load_settings


@click.command(epilog="Example:  SOVITS_SERVER__PORT=9000 sovits-daemon config")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Show every setting and where it comes from."""
    loaded = load_settings(context.find_root().obj)
    values = loaded.settings.model_dump(mode="json")
    if as_json:
        answer = {
            section: {key: {"value": value, "origin": loaded.origins[section, key]} for key, value in entries.items()}
            for section, entries in values.items()
        }
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        return
    for section, entries in values.items():
        click.echo(f"{section}:")
        for key, value in entries.items():
            line = f"  {key}: {json.dumps(value, ensure_ascii=False)}"
            click.echo(f"{line:<60} # {loaded.origins[section, key]}")
