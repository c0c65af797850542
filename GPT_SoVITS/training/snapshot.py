"""Resumable checkpoints: written atomically, the last two kept, bound to what the training was made from."""

from __future__ import annotations

import logging
import os
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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


def save_snapshot(folder: Path, input_hash: str, snapshot: Snapshot) -> Path:
    """Write a checkpoint with the random number generators' states, and delete all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    position = snapshot.position
    path = folder / f"state_{position.step:09d}.pt"
    temporary = folder / f".{path.name}.{os.getpid()}"
    content = {
        "input_hash": input_hash,
        "epoch": position.epoch,
        "batch": position.batch,
        "step": position.step,
        "seconds": position.seconds,
        "trainee": snapshot.trainee,
        "generators": _generator_states(),
    }
    try:
        with temporary.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(folder)
    for old in _snapshots(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_snapshot(folder: Path, input_hash: str) -> Snapshot | None:
    """Return the newest readable checkpoint of the same training and restore the random number generators.

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
        _restore_generators(content["generators"])
        position = Position(content["epoch"], content["batch"], content["step"], content["seconds"])
        return Snapshot(position, content["trainee"])
    return None


def _snapshots(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _generator_states() -> dict[str, Any]:
    version, numbers, gauss = random.getstate()
    states: dict[str, Any] = {"torch": torch.get_rng_state(), "python": [version, list(numbers), gauss]}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def _restore_generators(states: dict[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    torch.set_rng_state(states["torch"])
    cuda: list[Tensor] = states.get("cuda", [])
    if cuda and torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
