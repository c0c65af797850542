"""Several processes that train one model: every one takes its share of each batch, and the gradients are added up.

All processes hold the same weights and see the same batches; what a batch draws at random is drawn alike by all of
them. So nothing but gradients, losses and the wish to stop has to travel, and the sum of the shares is the gradient of
the whole batch, whatever the loss is normalised by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

BUCKET_ELEMENTS = 2**24
"""Tensors travel together, so many elements at a time."""
PATIENCE = timedelta(minutes=30)
"""How long a process waits for the others; a process that dies is noticed at once by who started it."""


@dataclass(frozen=True, slots=True)
class Group:
    """This process among those that train together; one alone needs no communication."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    """Where tensors have to lie to travel."""

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share_of(self, items: Sequence[T]) -> Sequence[T]:
        """Return this process's part of a batch: every `size`-th item."""
        return items[self.rank :: self.size]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in place."""
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            dist.all_reduce(flat)
            start = 0
            for tensor in bucket:
                tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
                start += tensor.numel()

    def totals(self, values: dict[str, float]) -> dict[str, float]:
        """Return the sum of each value over all processes; the names are the same in all of them."""
        if self.size == 1:
            return values
        sums = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return dict(zip(values, sums.tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Tell whether the flag is set in any process."""
        return self.totals({"flag": float(flag)})["flag"] > 0


ALONE = Group()


def join_group(rank: int, size: int, rendezvous: Path, device: torch.device) -> Group:
    """Meet the other processes of a training; they find each other through a file.

    Args:
        rank: 0 to `size` - 1.
        size: number of processes.
        rendezvous: a path on a file system that all of them see, used by this one group.
        device: where this process trains; each GPU belongs to one process.
    """
    backend = "gloo"
    if device.type == "cuda":
        backend = "nccl"
        torch.cuda.set_device(device)
    store = dist.FileStore(str(rendezvous), size)  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    return Group(rank, size, device)


def leave_group() -> None:
    """Part from the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of those parameters that have one."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _buckets(tensors: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    bucket: list[Tensor] = []
    elements = 0
    for tensor in tensors:
        if bucket and elements + tensor.numel() > BUCKET_ELEMENTS:
            yield bucket
            bucket, elements = [], 0
        bucket.append(tensor)
        elements += tensor.numel()
    if bucket:
        yield bucket
