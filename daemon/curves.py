"""Training curves: the losses that a training wrote down step by step.

While a job is the newest training of its character its log lies beside its checkpoints; the copy beside the finished
weights stays with the version when a later training begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlmodel import Session, select

from daemon import staleness
from daemon.layout import Layout
from daemon.tables import Character, Job, Voice
from pipeline.steps import TRAINING_LOGS, JobKind, StepName

METRICS_FILE = "metrics.jsonl"
CURVE_SUFFIX = ".metrics.jsonl"
"""Replaces the suffix of a weights file: the curve that led to it."""


class Training(StrEnum):
    """The two trainings."""

    SOVITS = StepName.TRAIN_SOVITS.value
    GPT = StepName.TRAIN_GPT.value


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a training."""

    step: int
    epoch: int
    seconds: float
    """Time spent training up to here."""
    values: dict[str, float | None]
    """Parts of the loss by name; None where it was not a number."""


def curve_path(weights: str) -> str:
    """Return where the curve of a weights file lies, relative like it."""
    return str(Path(weights).with_suffix(CURVE_SUFFIX))


def files_of(session: Session, layout: Layout, job: Job) -> dict[Training, Path]:
    """Return the logs that tell about a job; empty when a later training has replaced them."""
    character = session.get(Character, job.character_id)
    if character is None or job.kind != JobKind.TRAIN:
        return {}
    voice = session.exec(select(Voice).where(Voice.job_id == job.id)).first()
    if voice is not None:
        return version_files(layout, character, voice)
    newest = staleness.newest_job(session, character, JobKind.TRAIN)
    if newest is None or newest.id != job.id or job.started_at is None:
        return {}
    experiment = layout.experiment(character.name)
    return {
        training: path for training in Training for path in _newest(experiment, TRAINING_LOGS[StepName(training.value)])
    }


def version_files(layout: Layout, character: Character, voice: Voice) -> dict[Training, Path]:
    """Return the curves that lie beside the weights of a version."""
    root = layout.character(character.name)
    paths = {Training.SOVITS: voice.sovits_path, Training.GPT: voice.gpt_path}
    return {training: root / curve_path(path) for training, path in paths.items()}


def points(path: Path, after: int = 0, limit: int = 1000) -> list[Point]:
    """Return up to `limit` points behind step `after`; a line that is being written is left for the next time."""
    found: list[Point] = []
    for point in _points(path):
        if point.step > after:
            found.append(point)
        if len(found) >= limit:
            break
    return found


def _points(path: Path) -> Iterator[Point]:
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                point = _point(line)
                if point is not None:
                    yield point
    except FileNotFoundError:
        return


def _point(line: str) -> Point | None:
    try:
        raw = json.loads(line)
        step, epoch, seconds = int(raw.pop("step")), int(raw.pop("epoch")), float(raw.pop("seconds"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    values = {name: float(value) if value is not None else None for name, value in raw.items()}
    return Point(step, epoch, seconds, values)


def _newest(experiment: Path, prefix: str) -> Iterator[Path]:
    """Yield the log that was written last; a character that changed its family has one for each."""
    found = [path / METRICS_FILE for path in experiment.glob(f"{prefix}_*") if (path / METRICS_FILE).is_file()]
    if found:
        yield max(found, key=lambda path: path.stat().st_mtime)
