"""Turn what a base training has reached into the files of a base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from GPT_SoVITS.errors import TrainingDataError
from GPT_SoVITS.nano_base import write_nano_base
from GPT_SoVITS.training.base.train import VALIDATION_FILE


def export_base(run: Path, target: Path) -> None:
    """Write the best weights of both trainings in a folder of `train-base`, with its record and last losses.

    Raises:
        TrainingDataError: one of them has no checkpoint yet.
        CheckpointError: a weight does not fit half precision.
    """
    sovits, gpt = _newest(run / "sovits"), _newest(run / "gpt")
    facts = json.loads((run / "config.json").read_text(encoding="utf-8"))
    facts["reached"] = {
        name: {"updates": state["updates"], "validation": _last_line(run / name / VALIDATION_FILE)}
        for name, state in (("sovits", sovits), ("gpt", gpt))
    }
    write_nano_base(target, _weights(sovits), _weights(gpt), facts)


def _newest(folder: Path) -> dict[str, Any]:
    states = sorted(folder.glob("state_*.pt"))
    if not states:
        raise TrainingDataError(f"{folder} holds no checkpoint; run `sovits-daemon train-base` for some minutes first")
    content: dict[str, Any] = torch.load(states[-1], map_location="cpu", weights_only=True)
    state: dict[str, Any] = content["trainee"]
    return state


def _weights(state: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights that did best on the sentences kept out; the last ones where nothing was judged."""
    best = state.get("best")
    weights: dict[str, Tensor] = state["model"] if best is None else best["weights"]
    return weights


def _last_line(path: Path) -> Any:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return json.loads(lines[-1]) if lines else None
