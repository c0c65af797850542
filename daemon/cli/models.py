"""`sovits-daemon models`: the public base weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.installation import settings_of

if TYPE_CHECKING:
    from daemon.base_models import FamilyState, ModelStore, Outcome

NOTHING_TO_DO = 3
FAMILIES = ("v1", "v2", "v2Pro", "v2ProPlus")


@click.group(epilog="Examples:  sovits-daemon models list  ·  sovits-daemon models pull v2ProPlus")
def models() -> None:
    """List, import, download and check the public base weights."""


@models.command("list", epilog="Example:  sovits-daemon models list --json")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """Show each model family and the optional polyphone model, their files, sizes and what is missing."""
    store = _store(context)
    families, polyphones = store.inventory(), store.polyphone_model()
    if as_json:
        plain = {
            "models_dir": str(store.home),
            "families": [dataclasses.asdict(each) for each in families],
            "polyphone_model": dataclasses.asdict(polyphones),
        }
        click.echo(json.dumps(plain, ensure_ascii=False, indent=2))
        return
    click.echo(f"{store.home}\n\nnano: complete; it needs no files")
    for family in families:
        _print_family(family)
    _print_family(polyphones, "readings of Chinese characters in context, optional")


@models.command("import", epilog="Example:  sovits-daemon models import ~/GPT-SoVITS")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.pass_context
def import_(context: click.Context, folder: Path) -> int:
    """Copy the base weights and the polyphone model that lie anywhere below FOLDER, such as a GPT-SoVITS installation.

    Files are found by their names and read to the last weight before they are put in place (code 1 when one is
    refused, 3 when there is none).
    """
    from daemon.base_models import import_folder
    from daemon.model_reader import ModelReader

    with ModelReader() as reader:
        code = _report(import_folder(_store(context), folder, reader))
    if code == NOTHING_TO_DO:
        click.echo(f"no base weights were found below {folder}", err=True)
    return code


@models.command(epilog="Example:  sovits-daemon models pull v2ProPlus --mirror https://hub.example.org")
@click.argument("family", type=click.Choice(FAMILIES))
@click.option("--mirror", metavar="URL", help="Address of a mirror of the hub; else models.mirror, else HF_ENDPOINT.")
@click.pass_context
def pull(context: click.Context, family: str, mirror: str | None) -> int:
    """Download the base weights of FAMILY; run it again to go on after an interruption (code 1 when one is refused)."""
    from daemon import pulling
    from daemon.model_reader import ModelReader
    from GPT_SoVITS.base_files import files_of
    from GPT_SoVITS.families import FamilyName

    name = FamilyName(family)
    endpoint = mirror or settings_of(context).models.mirror or None
    release = pulling.Release(endpoint=endpoint.rstrip("/") if endpoint else None)
    with ModelReader() as reader:
        return _report(pulling.pull(_store(context), name, files_of(name), release, reader))


@models.command(epilog="Example:  sovits-daemon models verify")
@click.pass_context
def verify(context: click.Context) -> int:
    """Hash every base file again, compare with the record, and read it (code 1 when something is wrong)."""
    from daemon.model_reader import ModelReader

    with ModelReader() as reader:
        code = _report(_store(context).verify(reader))
    if code == NOTHING_TO_DO:
        click.echo("there are no base weights yet, so there is nothing to verify", err=True)
    return code


def _store(context: click.Context) -> ModelStore:
    from daemon.base_models import ModelStore

    return ModelStore(settings_of(context).paths.models_dir)


def _report(outcomes: Iterable[Outcome]) -> int:
    """Print each outcome as it comes and return the exit code."""
    from daemon.base_models import Verdict

    seen: set[Verdict] = set()
    for outcome in outcomes:
        seen.add(outcome.verdict)
        click.echo(f"{outcome.verdict}: {outcome.path}{f' ({outcome.said})' if outcome.said else ''}")
    if not seen:
        return NOTHING_TO_DO
    return 1 if seen & {Verdict.REFUSED, Verdict.CHANGED, Verdict.MISSING} else 0


def _print_family(family: FamilyState, remark: str = "") -> None:
    missing = sum(1 for file in family.files if file.size_bytes is None and not file.optional)
    state = "complete" if family.complete else f"{missing} of {len(family.files)} files missing"
    click.echo(f"\n{family.family}{f' ({remark})' if remark else ''}: {state}")
    for file in family.files:
        if file.size_bytes is not None:
            size = f"{file.size_bytes / 1e6:9.1f} MB"
        else:
            size = "  (optional)" if file.optional else "     missing"
        click.echo(f"  {size}  {file.path}{'' if file.recorded or file.size_bytes is None else '  (not on record)'}")
