"""`sovits-daemon verify`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from daemon.cli.installation import opened

if TYPE_CHECKING:
    from daemon.verify import Problem

NOTHING_TO_DO = 3


@click.command(epilog="Example:  sovits-daemon verify alice")
@click.argument("character", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def verify(context: click.Context, character: str | None, as_json: bool) -> int:
    """Compare the bytes of one character, or of all, with what is on record (code 1 when something differs)."""
    from sqlmodel import col, select

    from daemon import characters
    from daemon.tables import Character
    from daemon.verify import verify as verify_character

    found: dict[str, list[Problem]] = {}
    with opened(context) as world:
        with world.database.read() as session:
            if character is not None:
                rows = [characters.get(session, character)]
            else:
                rows = list(session.exec(select(Character).order_by(col(Character.name))).all())
        for row in rows:
            found[row.name] = verify_character(world.database, world.settings, world.layout, row)
            if not as_json:
                _print(row.name, found[row.name])
    if as_json:
        plain = {name: [dataclasses.asdict(each) for each in problems] for name, problems in found.items()}
        click.echo(json.dumps(plain, ensure_ascii=False, indent=2))
    elif not found:
        click.echo("there are no characters yet, so there is nothing to compare")
    if not found:
        return NOTHING_TO_DO
    return 1 if any(found.values()) else 0


def _print(name: str, problems: list[Problem]) -> None:
    if not problems:
        click.echo(f"{name}: everything is as recorded")
        return
    for problem in problems:
        click.echo(f"{name}: {problem.path} is {problem.what} ({problem.step})")
    click.echo(f"{name}: start its processing and training again to redo what differs")
