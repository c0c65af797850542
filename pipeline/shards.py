"""Dividing a feature step over the GPUs, or over processes on the CPU: item i belongs to shard i mod n.

Each process loads its own encoders, and has several clips in them at once (see `together`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import psutil
import torch
from torch import Tensor

from GPT_SoVITS.devices import core_count, usable_gpus
from GPT_SoVITS.families import family
from pipeline.children import ChildSpec, child_specs, run_children
from pipeline.context import StepContext
from pipeline.plan import Item
from pipeline.steps import LIST_ITEM, JobConfig

logger = logging.getLogger(__name__)

LEAST_CLIPS = 16
"""A process of its own pays, unless asked for, with so many clips: it starts and loads encoders for seconds."""
PROCESS_BYTES = 3 * 2**30
"""Memory to reckon with for each process: the largest text encoder in float32, and torch."""


def stale_clips(context: StepContext) -> tuple[Item, ...]:
    """Return the clips that a feature step has to make: all stale items but the list of them."""
    return tuple(item for item in context.plan.stale if item.name != LIST_ITEM)


def in_shards(context: StepContext, make: Callable[[StepContext], None]) -> None:
    """Make the stale clips of a step, in this process or in several.

    Args:
        context: the step's.
        make: makes all stale clips of a context; the function `make` of the step's module.

    Raises:
        Cancelled, EngineError, OSError, MemoryError: as `make` or `run_children` do.
    """
    clips = stale_clips(context)
    gpus = _gpus(context.inputs.config)
    count = min(len(gpus), len(clips)) if gpus else processes_for(context.inputs.config, len(clips))
    if count <= 1:
        if clips:
            make(context)
        return
    logger.info("%s: %d clips in %d processes", context.plan.step.name, len(clips), count)
    specs = [_shard(spec, clips, gpus) for spec in child_specs(context, count)]
    run_children(context, specs, max(1, core_count() // count))


def processes_for(config: JobConfig, clips: int) -> int:
    """Return into how many processes a step is divided on the CPU.

    Args:
        config: its `feature_processes` is the number wished for; 0 leaves it to the machine.
        clips: how many there are to make.
    """
    if config.feature_processes:
        return min(config.feature_processes, clips)
    fitting = int(psutil.virtual_memory().available // PROCESS_BYTES)
    return max(1, min(core_count(), clips // LEAST_CLIPS, fitting))


def _gpus(config: JobConfig) -> Sequence[int]:
    """Return the GPUs that the family's encoders run on."""
    return usable_gpus(config.gpu_id) if family(config.family).content_encoder != "whisper" else ()


def encoder_device(config: JobConfig) -> str:
    """Return the device of the family's encoders, as torch names it: the first GPU of `gpu_id`, or `cpu`."""
    gpus = _gpus(config)
    return f"cuda:{gpus[0]}" if gpus else "cpu"


def stored_dtype(config: JobConfig, features: Tensor) -> torch.dtype:
    """Return how features are stored: as the public tools do, in half precision where they come from a GPU.

    Values beyond its range stay in float32.
    """
    if encoder_device(config) == "cpu" or features.abs().max() > torch.finfo(torch.float16).max:
        return torch.float32
    return torch.float16


def _shard(spec: ChildSpec, clips: Sequence[Item], gpus: Sequence[int]) -> ChildSpec:
    config = replace(spec.config, gpu_id=str(gpus[spec.rank])) if gpus else spec.config
    return replace(spec, config=config, items=tuple(clips[spec.rank :: spec.count]))
