"""One optimiser step: gradients unscaled, measured, and applied when they are numbers."""

from __future__ import annotations

import hashlib
import math

import torch
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from GPT_SoVITS.devices import Compute
from GPT_SoVITS.training.parallel import gradients_of


def gradient_scaler(compute: Compute) -> GradScaler:
    """Return the scaler that float16 needs; for every other precision it does nothing."""
    return GradScaler(compute.device.type, enabled=compute.scales_gradients)


def apply_gradients(optimizer: Optimizer, scaler: GradScaler) -> float:
    """Step once with the gradients at hand, then clear them.

    Gradients that are no numbers change nothing. With a scaler they only mean that its scale was too high.

    Returns:
        The norm of all gradients together; not finite when nothing was changed.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    scaler.unscale_(optimizer)
    norm = float(torch.nn.utils.get_total_norm(gradients_of(parameters)))
    if math.isfinite(norm) or scaler.is_enabled():
        scaler.step(optimizer)
    optimizer.zero_grad(set_to_none=True)
    return norm


def norm_entry(name: str, norm: float, scaler: GradScaler) -> dict[str, float]:
    """Return the metric of a gradient norm; none where a scaler has just found its scale too high."""
    return {} if scaler.is_enabled() and not math.isfinite(norm) else {name: norm}


def step_seed(seed: int, step: int) -> int:
    """Return the seed of everything that is drawn in one training step.

    Args:
        seed: of the whole training.
        step: number of the step in the training.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:6])
