"""`sovits-daemon report`."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from daemon.cli.installation import opened

if TYPE_CHECKING:
    from daemon.data_report import Report

BAR_WIDTH = 30


@click.command(epilog="Example:  sovits-daemon report alice")
@click.argument("character")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def report(context: click.Context, character: str, as_json: bool) -> None:
    """Say how good a character's recordings are for training, and what would make the voice better."""
    from daemon import characters, data_report

    with opened(context) as world, world.database.read() as session:
        found = data_report.of_character(session, world.settings, characters.get(session, character))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Report) -> list[str]:
    lines = [
        f"{found.character}: {found.recordings} recordings, {_minutes(found.recorded_s)}",
        f"  kept      {_minutes(found.kept_s)} in {found.kept_clips} of {found.clips} clips",
    ]
    lines += [f"  lost      {_minutes(loss.seconds)} in {loss.items}: {loss.reason}" for loss in found.losses]
    if found.kept_clips:
        most = max(bar.clips for bar in found.lengths)
        for bar in found.lengths:
            name = f"{bar.start_s:.0f}-{bar.end_s:.0f} s" if bar.end_s is not None else f"{bar.start_s:.0f} s and more"
            lines.append(f"  {name:<14}{'#' * round(BAR_WIDTH * bar.clips / most):<{BAR_WIDTH}} {bar.clips}")
    if found.snr_db is not None:
        lines.append(f"  noise     speech {found.snr_db.median:.0f} dB above it (lowest {found.snr_db.lowest:.0f})")
    lines.append(f"  clipping  {found.clipped_clips} clips")
    if found.languages:
        lines.append("  language  " + ", ".join(f"{name} {_minutes(s)}" for name, s in found.languages.items()))
    if found.confidence is not None:
        lines.append(
            f"  texts     recognised with {100 * found.confidence:.0f} % confidence, {found.unsure_clips} unsure"
        )
    consistency = found.speaker_consistency
    known = f"{consistency:.2f}" if consistency is not None else f"not measured: {found.speaker_consistency_note}"
    lines.append(f"  speaker   {known}")
    return [*lines, *(f"* {sentence}" for sentence in found.advice)]


def _minutes(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} min"
