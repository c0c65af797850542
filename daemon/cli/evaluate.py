"""`sovits-daemon evaluate`."""

from __future__ import annotations

import json
from typing import Any

import click

from daemon.cli.installation import opened


@click.command(epilog="Example:  sovits-daemon evaluate alice --sentences 5")
@click.argument("character")
@click.option("--sentences", default=20, show_default=True, type=click.IntRange(1, 20), help="How many to speak.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, every sentence included.")
@click.pass_context
def evaluate(context: click.Context, character: str, sentences: int, as_json: bool) -> None:
    """Measure how good a character's voice is: it speaks fixed sentences, and Whisper base writes down what it hears.

    The measures are kept with the voice; `status` shows them.
    """
    from daemon.evaluation import evaluate_voice

    with opened(context) as world:
        found = evaluate_voice(world, character, sentences)
    click.echo(json.dumps(found, ensure_ascii=False, indent=2) if as_json else _table(found))


def _table(found: dict[str, Any]) -> str:
    rows = [
        ("character errors", found["character_error_rate"], found["real_character_error_rate"]),
        ("similarity", found["similarity"], found["real_similarity"]),
        ("characters a second", found["characters_per_second"], None),
        ("silence", found["silence_share"], None),
        ("clipping", found["clipping_share"], None),
        ("real-time factor", found["real_time_factor"], None),
    ]
    lines = [f"{'':<22}{'voice':>8}{'real':>8}"]
    lines += [f"{name:<22}{_number(voice):>8}{_number(real):>8}" for name, voice, real in rows]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
