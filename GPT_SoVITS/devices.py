"""Where to compute and in which precision, and why: one decision for all of the engine."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from GPT_SoVITS.errors import ModelMissingError

_BFLOAT16_CAPABILITY = (8, 0)


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, the dtype for training on it, and one sentence that explains the choice."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose_compute(wanted: str = "auto", gpu_id: str = "0") -> Compute:
    """Decide on a device.

    Args:
        wanted: `auto`, `cpu` or `cuda`.
        gpu_id: GPU numbers joined by `-`; the first one present is taken.

    Raises:
        ValueError: a word or number is not understood.
        ModelMissingError: `cuda` was demanded and there is no such GPU.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise ValueError(f"the device {wanted!r} is unknown; use auto, cpu or cuda")
    if wanted == "cpu":
        return _cpu("the CPU was asked for")
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    usable = [number for number in gpu_numbers(gpu_id) if number < present]
    if usable:
        return _gpu(usable[0])
    if wanted == "cuda":
        raise ModelMissingError(f"GPU {gpu_id} was asked for, but torch sees {present} of them; set the device to auto")
    return _cpu("torch sees no GPU" if not present else f"there is no GPU {gpu_id}")


def gpu_numbers(gpu_id: str) -> tuple[int, ...]:
    """Return the numbers in `0` or `0-1-2`.

    Raises:
        ValueError: it is written otherwise.
    """
    try:
        return tuple(int(number) for number in gpu_id.split("-"))
    except ValueError:
        raise ValueError(f"gpu_id {gpu_id!r} is not understood; write numbers joined by '-', such as 0-1") from None


def use_all_cores() -> None:
    """Let torch use every core that this process may run on."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))


def _cpu(why: str) -> Compute:
    return Compute(torch.device("cpu"), torch.float32, f"CPU in float32, because {why}")


def _gpu(number: int) -> Compute:
    name = torch.cuda.get_device_name(number)
    capable = torch.cuda.get_device_capability(number) >= _BFLOAT16_CAPABILITY
    dtype = torch.bfloat16 if capable else torch.float32
    return Compute(torch.device("cuda", number), dtype, f"GPU {number} ({name}), {str(dtype).removeprefix('torch.')}")
