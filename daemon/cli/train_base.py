"""`sovits-daemon train-base`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from daemon.cli.installation import settings_of


@click.command(
    epilog="Example:  sovits-daemon train-base --corpus corpus --minutes 600 --output base; "
    "sovits-daemon train-base --corpus corpus --minutes 0 --output base --export nano"
)
@click.option("--family", default="nano", show_default=True, help="The family; only nano can be made so.")
@click.option(
    "--corpus",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with en.tsv, ja.tsv or zh.tsv (columns file, seconds, text) and the recordings.",
)
@click.option("--minutes", required=True, type=click.FloatRange(0), help="How long to train, features aside.")
@click.option("--output", default=Path("base"), type=click.Path(path_type=Path), help="Folder to work in.")
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a base to go on from, such as GPT_SoVITS/pretrained_models/nano; random weights if left out.",
)
@click.option("--part", default="all", type=click.Choice(["all", "prepare", "sovits", "gpt"]), help="What to do.")
@click.option("--export", type=click.Path(path_type=Path), help="Folder to write the base to at the end.")
@click.pass_context
def train_base(
    context: click.Context,
    family: str,
    corpus: Path,
    minutes: float,
    output: Path,
    start: Path | None,
    part: str,
    export: Path | None,
) -> int:
    """Train the base of a small model family from a corpus of many speakers; the same command again continues."""
    from daemon.processes import module_command

    if family != "nano":
        raise click.BadParameter("only the family nano can be trained from a corpus", param_hint="--family")
    settings = settings_of(context)
    arguments = ["--family", family, "--corpus", str(corpus), "--output", str(output), "--minutes", str(minutes)]
    arguments += ["--part", part, "--models-dir", str(settings.paths.models_dir or "")]
    for option, folder in (("--start", start), ("--export", export)):
        if folder is not None:
            arguments += [option, str(folder)]
    return subprocess.run(module_command("pipeline.train_base", *arguments), check=False).returncode
