"""`sovits-daemon say`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.installation import NOT_RUNNING, leave, opened

if TYPE_CHECKING:
    from daemon.tables import Inference
    from daemon.world import World

POLL_S = 0.2


@click.command(epilog="Example:  sovits-daemon say alice 'Good morning' --language en --output morning.wav")
@click.argument("character")
@click.argument("text")
@click.option("--language", help="Language of the text, such as en or 中文; else that of the character.")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="WAV file; else CHARACTER.wav.")
@click.pass_context
def say(context: click.Context, character: str, text: str, language: str | None, output: Path | None) -> int:
    """Speak a text with a character's voice; the running service does the work (code 4 when it is not running)."""
    from daemon import characters, inferences, lock

    with opened(context) as world:
        if not lock.is_held(world.layout.lock):
            leave("the service is not running; start it with `sovits-daemon run`", NOT_RUNNING)
        with world.database.read() as session:
            found = characters.get(session, character)
        request = inferences.InferenceRequest(
            target_text=text, character_name=found.name, target_language=language or found.config.get("language", "zh")
        )
        inference = inferences.create(world.database, world.settings, world.layout, request)
        with _display() as show:
            inference = _wait(world, inference.id, show)
        if inference.status != "completed" or inference.output_path is None:
            leave(inference.error_message or f"speaking ended as {inference.status}", 1)
        target = output or Path(f"{found.name}.wav")
        _copy(world.layout.work_dir / inference.output_path, target)
    for warning in inference.detail.get("warnings") or ():
        click.echo(f"note: {warning}", err=True)
    click.echo(f"{target} ({inference.detail.get('seconds', 0):.1f} s)")
    return 0


def _wait(world: World, inference_id: str, show: Callable[[str, float], None]) -> Inference:
    from daemon import inferences, lock

    while True:
        running = lock.is_held(world.layout.lock)
        with world.database.read() as session:
            inference = inferences.get(session, inference_id)
        if inference.status not in ("pending", "running"):
            return inference
        if not running:
            leave("the service has stopped; the sentence is spoken when it runs again", NOT_RUNNING)
        show("waiting" if inference.status == "pending" else "speaking", inference.progress)
        time.sleep(POLL_S)


@contextmanager
def _display() -> Iterator[Callable[[str, float], None]]:
    """Yield what shows progress: a bar on a terminal, a line for each stage elsewhere."""
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def line(stage: str, _percent: float) -> None:
            if stage not in seen:
                seen.add(stage)
                click.echo(f"{stage} …", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("waiting", total=100)
        yield lambda stage, percent: bar.update(task, description=stage, completed=percent)


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        shutil.copyfile(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
