"""`sovits-daemon export` and `sovits-daemon import-voice`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from daemon.cli.installation import opened

LANGUAGES = ("zh", "en", "ja", "ko", "yue", "auto")


@click.command(epilog="Example:  sovits-daemon export alice --output alice.zip")
@click.argument("character")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="New folder, or archive if it ends in .zip.")
@click.option("--training-state", is_flag=True, help="Add the state from which GPT-SoVITS can go on training.")
@click.pass_context
def export(context: click.Context, character: str, output: Path | None, training_state: bool) -> None:
    """Write a voice as GPT-SoVITS opens it: weights, data set, list file and a manifest."""
    from daemon import bundles, characters
    from daemon.model_reader import ModelReader

    with opened(context) as world, ModelReader() if training_state else nullcontext() as reader:
        with world.database.read() as session:
            name = characters.get(session, character).name
        made = bundles.export(world, name, output or Path(f"{name}.zip"), reader)
    click.echo(f"{made.target} ({made.files} files, {made.size_bytes / 1e6:.1f} MB)")


@click.command("import-voice", epilog="Example:  sovits-daemon import-voice alice.zip --character alice")
@click.argument("bundle", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--character", required=True, help="Who gets the voice; made if there is none of this name.")
@click.option("--sovits", type=click.Path(path_type=Path), help="The generator's weights (.pth).")
@click.option("--gpt", type=click.Path(path_type=Path), help="The text-to-semantic model's weights (.ckpt).")
@click.option("--language", type=click.Choice(LANGUAGES), help="Language of a new character; else that of the bundle.")
@click.pass_context
def import_voice(
    context: click.Context,
    bundle: Path | None,
    character: str,
    sovits: Path | None,
    gpt: Path | None,
    language: str | None,
) -> None:
    """Take in a voice that was trained elsewhere: BUNDLE (a folder or a zip file), or two weight files."""
    from daemon.model_reader import ModelReader
    from daemon.voice_import import Given, import_voice

    if bundle is None and (sovits is None or gpt is None):
        raise click.UsageError("name a bundle, or both --sovits and --gpt")
    with opened(context) as world, ModelReader() as reader:
        made = import_voice(world, character, Given(bundle, sovits, gpt, language), reader)
    click.echo(f"{made.character} speaks with {made.sovits} and {made.gpt} ({made.family})")
    if made.recordings:
        click.echo(f"{made.recordings} recordings with their transcripts were added")
