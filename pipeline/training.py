"""What the two training steps share: the clips they learn from, how they report, and their finished weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from GPT_SoVITS.devices import Compute, choose_compute, use_all_cores
from GPT_SoVITS.families import RANDOM_WEIGHTS, Family, family
from GPT_SoVITS.training.loop import LoopOptions, Outcome, Trainee, run_training
from GPT_SoVITS.training.metrics import METRICS_FILE
from GPT_SoVITS.training.sovits_data import LeftOut
from pipeline.context import Dropped, StepContext
from pipeline.plan import Item

MODELS = "models"
CURVE_SUFFIX = ".metrics.jsonl"
"""Replaces the suffix of a weights file."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a training stands: its one item, the family, the device and the folder of its checkpoints."""

    item: Item
    family: Family
    compute: Compute
    folder: Path


def ground(context: StepContext, logs: str) -> Ground:
    """Prepare a training step; `logs` is the public prefix of its folder, `logs_s2` or `logs_s1`."""
    config = context.inputs.config
    chosen = family(config.family)
    use_all_cores()
    compute = choose_compute("auto", config.gpu_id)
    context.notes.append(compute.reason)
    context.notes.append(f"from {RANDOM_WEIGHTS}: not a usable voice")
    return Ground(context.plan.items[0], chosen, compute, context.experiment / f"{logs}_{chosen.name}")


def clips_of(item: Item, step: str) -> list[str]:
    """Return the clips that feed a training through one of the feature steps."""
    prefix = f"{step}/"
    return [feed.name.removeprefix(prefix) for feed in item.feeds if feed.name.startswith(prefix)]


def leave_out(context: StepContext, clips: Iterable[LeftOut]) -> None:
    """Put the clips that are not trained on, with their reasons, into the step's report."""
    context.dropped.extend(Dropped(each.name, each.reason) for each in clips)


def train(context: StepContext, at: Ground, trainee: Trainee, epochs: int) -> Outcome:
    """Train to the end, or up to a checkpoint when the job is cancelled."""
    options = LoopOptions(at.folder, at.item.input_hash, epochs, context.inputs.config.save_every_epoch)
    return run_training(trainee, options, context.progress)


def version_of(at: Ground) -> str:
    """Return what tells the files of this training from those of others: the same inputs give the same names."""
    return at.item.input_hash[:8]


def publish(context: StepContext, at: Ground, weights: Path, detail: dict[str, Any]) -> None:
    """Put finished weights into place, with the curve that led to them beside them."""
    curve = weights.with_suffix(CURVE_SUFFIX)
    shutil.copyfile(at.folder / METRICS_FILE, curve)
    context.publish(at.item, {f"{MODELS}/{path.name}": path for path in (weights, curve)}, detail)


def facts(at: Ground, outcome: Outcome, clips: Sequence[Any]) -> dict[str, Any]:
    """Return what is recorded with the finished weights."""
    metrics = {
        "clips": len(clips),
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "seconds": round(outcome.seconds, 1),
        "device": at.compute.reason,
        "losses": {name: round(value, 5) for name, value in outcome.losses.items()},
    }
    return {"family": str(at.family.name), "trained_from": RANDOM_WEIGHTS, "metrics": metrics}
