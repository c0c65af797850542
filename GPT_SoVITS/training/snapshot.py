"""Resumable checkpoints: written atomically, the last two kept, bound to what the training was made from.

They hold no state of a random number generator: what is drawn in a step follows from the seed and the step alone.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from GPT_SoVITS.durable import replacing

logger = logging.getLogger(__name__)

KEPT = 2
_NAME = re.compile(r"state_(\d{9})\.pt")


@dataclass(slots=True)
class Position:
    """How far a training is. The only mutable record of a run beside the model and its optimisers."""

    epoch: int = 0
    """Epochs finished."""
    batch: int = 0
    """Batches of the present epoch that are done."""
    step: int = 0
    """Batches done in all."""
    seconds: float = 0.0
    """Time spent training, over all attempts."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a checkpoint file holds."""

    position: Position
    trainee: dict[str, Any]
    """State dicts of models and optimisers."""
    replicas: int = 1
    """How many processes trained together; it decides how an epoch is divided into batches."""


def save_snapshot(folder: Path, input_hash: str, snapshot: Snapshot) -> Path:
    """Write a checkpoint, and delete all but the last two."""
    position = snapshot.position
    path = folder / f"state_{position.step:09d}.pt"
    content = {
        "input_hash": input_hash,
        "epoch": position.epoch,
        "batch": position.batch,
        "step": position.step,
        "seconds": position.seconds,
        "replicas": snapshot.replicas,
        "trainee": snapshot.trainee,
    }
    with replacing(path) as stream:
        torch.save(content, stream)
    for old in _snapshots(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_snapshot(folder: Path, input_hash: str) -> Snapshot | None:
    """Return the newest readable checkpoint of the same training.

    Checkpoints of another training are deleted; a damaged one is passed over with a warning.
    """
    for path in reversed(_snapshots(folder)):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            found = content["input_hash"]
        except Exception as error:  # torch raises many kinds for a damaged file
            logger.warning("the checkpoint %s cannot be read and is passed over: %s", path.name, type(error).__name__)
            continue
        if found != input_hash:
            path.unlink(missing_ok=True)
            continue
        position = Position(content["epoch"], content["batch"], content["step"], content["seconds"])
        return Snapshot(position, content["trainee"], content["replicas"])
    return None


def _snapshots(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
