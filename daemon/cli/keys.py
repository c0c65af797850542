"""`sovits-daemon keys`."""

from __future__ import annotations

import json

import click

from daemon.cli.installation import opened

NOTHING_TO_DO = 3


@click.group()
def keys() -> None:
    """Make, list and revoke keys of the API.

    Programs on this machine need none (unless access.require_key is set). As soon as there is a key, everybody else
    needs one: in the header `Authorization: Bearer KEY` or `X-API-Key: KEY`.
    """


@keys.command(epilog="Example:  sovits-daemon keys create studio --scope read --scope speak")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "speak", "admin"]),
    required=True,
    help="What it allows; may be given several times. admin includes the others.",
)
@click.option("--per-minute", type=click.IntRange(1), help="Sentences a minute; left out: the limit of the settings.")
@click.pass_context
def create(context: click.Context, name: str, scopes: tuple[str, ...], per_minute: int | None) -> None:
    """Make a key and show it, this once."""
    from daemon import keys as store

    with opened(context) as world, world.database.write() as session:
        _, key = store.create(session, name, [store.Scope(scope) for scope in scopes], per_minute)
    click.echo(key)
    click.echo("keep it now: it is not stored and cannot be shown again", err=True)


@keys.command("list", epilog="Example:  sovits-daemon keys list --json")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_all(context: click.Context, as_json: bool) -> int:
    """List all keys (never the keys themselves)."""
    from daemon import keys as store

    with opened(context) as world, world.database.read() as session:
        rows = [row.model_dump(exclude={"digest", "id"}) for row in store.listing(session)]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=str))
        return 0
    for row in rows:
        state = f"revoked {row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else "valid"
        limit = f", {row['sentences_per_minute']} sentences a minute" if row["sentences_per_minute"] else ""
        click.echo(f"{row['name']}: {', '.join(row['scopes'])}{limit}, svd_{row['public_part']}_…, {state}")
    if not rows:
        click.echo("no keys yet; everybody who reaches the API may use it")
    return 0 if rows else NOTHING_TO_DO


@keys.command(epilog="Example:  sovits-daemon keys revoke studio")
@click.argument("name")
@click.pass_context
def revoke(context: click.Context, name: str) -> None:
    """Make a key invalid at once."""
    from daemon import keys as store

    with opened(context) as world, world.database.write() as session:
        store.revoke(session, name)
    click.echo(f"key {name} is not valid any more")
