"""What the two training steps share: the clips they learn from, how they report, and their finished weights."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from GPT_SoVITS.devices import (
    Compute,
    allow_fast_products,
    choose_compute,
    core_count,
    free_memory,
    usable_gpus,
    use_all_cores,
)
from GPT_SoVITS.families import RANDOM_WEIGHTS, Family, family
from GPT_SoVITS.hubert import load_hubert
from GPT_SoVITS.roberta import load_roberta
from GPT_SoVITS.speaker import load_speaker_encoder
from GPT_SoVITS.training.loop import LoopOptions, Outcome, Trainee, run_training
from GPT_SoVITS.training.metrics import METRICS_FILE
from GPT_SoVITS.training.parallel import ALONE, Group
from GPT_SoVITS.training.sovits_data import LeftOut
from GPT_SoVITS.training.start import base_name
from pipeline.children import child_specs, run_children
from pipeline.context import Dropped, StepContext
from pipeline.plan import Item
from pipeline.steps import JobConfig

logger = logging.getLogger(__name__)

MODELS = "models"
CURVE_SUFFIX = ".metrics.jsonl"
"""Replaces the suffix of a weights file."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a training stands: its one item, family and base, the device, the checkpoints' folder, the processes."""

    item: Item
    family: Family
    trained_from: str
    compute: Compute
    folder: Path
    group: Group


def in_processes(context: StepContext, make: Callable[[StepContext, Group], None]) -> None:
    """Train in this process, or in one for each GPU; a direct family is too small to be divided.

    Args:
        context: the step's.
        make: trains as one of a group; the function `make` of the step's module.

    Raises:
        Cancelled, EngineError, OSError, MemoryError: as `make` or `run_children` do.
    """
    forget_encoders()
    gpus = usable_gpus(context.inputs.config.gpu_id)
    config = context.inputs.config
    count = 1 if family(config.family).sovits.is_direct else ranks_for(config, len(gpus))
    if count == 1:
        use_all_cores()
        make(context, ALONE)
        return
    rendezvous = context.scratch / f"rendezvous-{os.urandom(6).hex()}"
    specs = [
        replace(
            spec,
            rendezvous=str(rendezvous),
            config=replace(spec.config, gpu_id=str(gpus[spec.rank])) if gpus else spec.config,
        )
        for spec in child_specs(context, count)
    ]
    run_children(context, specs, max(1, core_count() // count))


def forget_encoders() -> None:
    """Free the memory of the feature steps' encoders: training needs it, above all on a GPU."""
    for load in (load_hubert, load_roberta, load_speaker_encoder):
        load.cache_clear()
    free_memory()


def ranks_for(config: JobConfig, gpus: int) -> int:
    """Return how many processes train together; never more than one for each GPU, where there are GPUs."""
    wanted = config.training_processes or max(1, gpus)
    return min(wanted, gpus) if gpus else wanted


def ground(context: StepContext, logs: str, group: Group) -> Ground:
    """Prepare a training step; `logs` is the public prefix of its folder, `logs_s2` or `logs_s1`."""
    config = context.inputs.config
    chosen = family(config.family)
    compute = choose_compute("auto", config.gpu_id)
    if compute.device.type == "cuda":
        allow_fast_products()
    logger.info("training on %s, process %d of %d", compute.reason, group.rank + 1, group.size)
    context.notes.append(compute.reason if group.size == 1 else f"{group.size} processes, {compute.reason}")
    trained_from = base_name(chosen, config.models_dir)
    context.notes.append(f"from {trained_from}{': not a usable voice' if trained_from == RANDOM_WEIGHTS else ''}")
    return Ground(
        context.plan.items[0], chosen, trained_from, compute, context.experiment / f"{logs}_{chosen.name}", group
    )


def clips_of(item: Item, step: str) -> list[str]:
    """Return the clips that feed a training through one of the feature steps."""
    prefix = f"{step}/"
    return [feed.name.removeprefix(prefix) for feed in item.feeds if feed.name.startswith(prefix)]


def leave_out(context: StepContext, clips: Iterable[LeftOut]) -> None:
    """Put the clips that are not trained on, with their reasons, into the step's report."""
    context.dropped.extend(Dropped(each.name, each.reason) for each in clips)


def train(context: StepContext, at: Ground, trainee: Trainee, epochs: int) -> Outcome:
    """Train to the end, or up to a checkpoint when the job is cancelled."""
    config = context.inputs.config
    options = LoopOptions(at.folder, at.item.input_hash, epochs, config.save_every_epoch, seed=config.seed)
    return run_training(trainee, options, context.progress, at.group)


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
    return {"family": str(at.family.name), "trained_from": at.trained_from, "metrics": metrics}
