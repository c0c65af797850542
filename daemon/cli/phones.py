"""`sovits-daemon phones`."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.installation import leave, settings_of

if TYPE_CHECKING:
    from GPT_SoVITS.text.dictionary import Reading

TIMEOUT_S = 120.0
FAILED = 1


@click.command(epilog="Example:  sovits-daemon phones 'I read 3 books in 重庆' --language auto")
@click.argument("text")
@click.option("--language", default="auto", show_default=True, help="A language or mode, such as zh, 中英混合 or auto.")
@click.option("--character", help="Use this character's dictionary, too.")
@click.option("--symbols", type=click.Choice(["v1", "v2"]), default="v2", show_default=True, help="The symbol table.")
@click.option("--as-public", is_flag=True, help="Read as the public GPT-SoVITS program does, with its faults.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def phones(
    context: click.Context,
    text: str,
    *,
    language: str,
    character: str | None,
    symbols: str,
    as_public: bool,
    as_json: bool,
) -> int:
    """Show how a text is read: its languages, what is said for numbers and signs, and the phones.

    Words in WORK_DIR/dictionary.tsv and WORK_DIR/characters/NAME/dictionary.tsv are read as written there, one a
    line: word, language (zh, en, ja, ko, yue) and reading (pinyin, ARPAbet, kana, Hangul, jyutping), parted by tabs.
    The public program knows neither, so --as-public leaves them out.
    """
    from daemon import dictionaries
    from daemon.layout import Layout
    from daemon.names import character_name

    if as_public and character is not None:
        raise click.UsageError("--as-public uses no dictionary; leave out --character")
    settings = settings_of(context)
    layout = Layout.of(settings)
    if character is not None:
        character = character_name(character)
        if not layout.character(character).is_dir():
            leave(f"character {character!r} does not exist", FAILED)
    readings: tuple[Reading, ...] = ()
    if not as_public:
        dictionary = dictionaries.load(layout, character)
        readings = dictionary.readings
        for problem in dictionary.problems:
            click.echo(f"note: {problem}; the line is not used", err=True)
    answer = _answer(
        {
            "text": text,
            "language": language,
            "symbols": symbols,
            "readings": [dataclasses.asdict(reading) for reading in readings],
            "models_dir": str(settings.paths.models_dir or ""),
            "as_public": as_public,
        }
    )
    if "error" in answer:
        leave(answer["error"], FAILED)
    if as_json:
        click.echo(json.dumps(answer["segments"], ensure_ascii=False, indent=2))
    else:
        _show(answer["segments"])
    return 0


def _answer(asked: dict[str, object]) -> dict[str, Any]:
    """Ask a process that may load the text libraries."""
    from daemon.processes import module_command

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    try:
        done = subprocess.run(
            module_command("pipeline.phones"),
            env=environment,
            input=json.dumps(asked) + "\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        leave(f"reading the text took longer than {TIMEOUT_S:.0f} s", FAILED)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        leave(f"the text libraries ended unexpectedly: {last[0][:300]}", FAILED)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _show(segments: list[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        for segment in segments:
            click.echo(f"{segment['language']}\t{segment['text']}\t{_grouped(segment)}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("language", "text", "phones")
    for segment in segments:
        table.add_row(segment["language"], Text(segment["text"]), Text(_grouped(segment)))
    Console().print(table)


def _grouped(segment: dict[str, Any]) -> str:
    """The phones of a segment; where they belong to characters, with two blanks between characters."""
    phones, counts = segment["phones"], segment["word2ph"]
    if not counts:
        return " ".join(phones)
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    return "  ".join(" ".join(phones[end - count : end]) for end, count in zip(ends, counts, strict=True))
