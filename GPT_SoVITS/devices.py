"""Where to compute and in which precision, and why: one decision for all of the engine."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass

import torch

from GPT_SoVITS.errors import ModelMissingError

_BFLOAT16_CAPABILITY = (8, 0)
_HALF_CAPABILITY = (7, 0)
_BAD_HALF = "GTX 16"
"""These cards report capability 7.5 but give values that are no numbers in half precision."""
_MEMORY_SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, the dtype for training on it, and one sentence that explains the choice."""

    device: torch.device
    dtype: torch.dtype
    reason: str

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients have to be scaled, because small ones would vanish in float16."""
        return self.dtype is torch.float16

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run at training; losses belong outside of it, in float32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)


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
    usable = usable_gpus(gpu_id)
    if usable:
        return _gpu(usable[0])
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cuda":
        raise ModelMissingError(f"GPU {gpu_id} was asked for, but torch sees {present} of them; set the device to auto")
    return _cpu("torch sees no GPU" if not present else f"there is no GPU {gpu_id}")


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def usable_gpus(gpu_id: str) -> tuple[int, ...]:
    """Return those of the GPUs `0-1-2` that are there, each once, in the order in which they are named.

    Raises:
        ValueError: `gpu_id` is written otherwise.
    """
    numbers = dict.fromkeys(gpu_numbers(gpu_id))
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(number for number in numbers if number < present)


def gpu_numbers(gpu_id: str) -> tuple[int, ...]:
    """Return the numbers in `0` or `0-1-2`.

    Raises:
        ValueError: it is written otherwise.
    """
    try:
        return tuple(int(number) for number in gpu_id.split("-"))
    except ValueError:
        raise ValueError(f"gpu_id {gpu_id!r} is not understood; write numbers joined by '-', such as 0-1") from None


def precision_for(capability: tuple[int, int], name: str) -> tuple[torch.dtype, str]:
    """Return the dtype for training on a GPU and why; the public recipe trains in half precision where it can.

    Args:
        capability: CUDA compute capability, major and minor.
        name: what the driver calls the GPU.
    """
    if capability >= _BFLOAT16_CAPABILITY:
        return torch.bfloat16, "bfloat16, which this GPU computes natively"
    if capability >= _HALF_CAPABILITY and _BAD_HALF not in name:
        return torch.float16, "float16 with scaled gradients, because this GPU has no bfloat16"
    return torch.float32, "float32, because half precision is slow or unreliable on this GPU"


def allow_fast_products() -> None:
    """Let GPUs multiply float32 matrices in TF32, as the public recipe does."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True


def use_all_cores() -> None:
    """Let torch use every core that this process may run on."""
    torch.set_num_threads(core_count())


def core_count() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the device's or the machine's memory is full."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _MEMORY_SIGNS)


def free_memory() -> None:
    """Give back the memory of tensors that are no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _cpu(why: str) -> Compute:
    return Compute(torch.device("cpu"), torch.float32, f"CPU in float32, because {why}")


def _gpu(number: int) -> Compute:
    name = torch.cuda.get_device_name(number)
    dtype, why = precision_for(torch.cuda.get_device_capability(number), name)
    return Compute(torch.device("cuda", number), dtype, f"GPU {number} ({name}) in {why}")
