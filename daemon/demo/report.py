"""What the demo prints: progress bars on a terminal, plain lines elsewhere, and the closing table."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

_BANNER_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Words:
    """How well the recogniser understood the recordings."""

    clips: int
    recognised: int
    """Words in the recognised texts."""
    error_rate: float
    """Word error rate against the official texts, 0 to 1."""


class StepDisplay:
    """Shows the step that runs: a bar on a terminal, a line a step elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = ""
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        if console.is_terminal:
            columns = (TextColumn("  {task.description:28}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
            self._progress = Progress(*columns, TimeElapsedColumn(), console=console)
            self._progress.start()

    def show(self, kind: str, step: str, percent: float) -> None:
        """Say which step of which job runs and how far the job is."""
        if self._progress is not None:
            if step != self._step:
                self._finish_bar()
                self._task = self._progress.add_task(f"{kind}: {step}", total=100)
            assert self._task is not None
            self._progress.update(self._task, completed=percent)
        elif step != self._step:
            self._console.print(f"  {kind}: {step} (job at {percent:.0f} %)")
        self._step = step

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._finish_bar()
            self._progress.stop()

    def _finish_bar(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=100)
            self._progress.stop_task(self._task)


def plain_words(text: str) -> str:
    """Return a text as lower-case words, numbers spelled out, so that spelling habits do not count as errors."""
    import inflect

    engine = inflect.engine()
    spelled = re.sub(r"\d+", lambda found: f" {engine.number_to_words(found[0])} ", text.lower())
    return " ".join(re.sub(r"[^a-z' ]+", " ", spelled).split())


def words_of(clips_folder: Path, official_texts: Path) -> Words:
    """Compare what was recognised in each recording with its official text."""
    import jiwer

    with official_texts.open(encoding="utf-8") as stream:
        official = {row["file"]: row["text"] for row in csv.DictReader(stream, delimiter="\t")}
    heard: dict[str, list[str]] = {name: [] for name in official}
    clips = 0
    for path in sorted(clips_folder.glob("*.json")):
        transcript = json.loads(path.read_text(encoding="utf-8"))
        if transcript.get("dropped"):
            continue
        clips += 1
        recording = re.sub(r"_\d{10}_\d{10}\.wav$", "", transcript["clip"])
        heard.setdefault(recording, []).append(transcript["text"])
    references = [plain_words(official[name]) for name in official]
    hypotheses = [plain_words(" ".join(heard[name])) for name in official]
    count = sum(len(text.split()) for text in hypotheses)
    return Words(clips, count, float(jiwer.wer(references, hypotheses)))


def step_table(rows: list[tuple[str, str, float]]) -> Table:
    """Return the closing table of steps: name, items, seconds."""
    table = Table(title="What happened", title_justify="left")
    table.add_column("step")
    table.add_column("items in → out")
    table.add_column("seconds", justify="right")
    for name, items, seconds in rows:
        table.add_row(name, items, f"{seconds:.1f}")
    return table


def console() -> Console:
    """Return a console that never wraps paths when its output is not a terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=_BANNER_COLUMNS * 2, soft_wrap=True)
