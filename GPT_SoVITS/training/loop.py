"""The loop that both trainings share: epochs, batches, checkpoints, metrics, progress, and what stops it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from GPT_SoVITS.errors import TrainingDivergedError
from GPT_SoVITS.training.metrics import append_metrics, begin_metrics
from GPT_SoVITS.training.parallel import ALONE, Group
from GPT_SoVITS.training.snapshot import Position, Snapshot, load_snapshot, save_snapshot
from GPT_SoVITS.training.update import step_seed

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]
"""Receives steps done, steps in all and a note; an exception it raises ends the training after a checkpoint."""

Losses = dict[str, float]
"""Parts of one step's loss by name."""


class Trainee(Protocol):
    """A model with its optimisers and its data, as the loop sees it."""

    def batches(self, epoch: int) -> Sequence[Sequence[int]]:
        """Return the items of each batch of an epoch, those of all processes together.

        Every epoch has the same number of batches.
        """

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> Losses:
        """Learn from one batch, drawing only from torch's default generator, which is seeded for each step.

        When a loss is not finite, nothing is updated by it. Returns the same in every process.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes while training."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put everything back."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How long to train and how to keep what was reached."""

    folder: Path
    """Where checkpoints and metrics lie."""
    input_hash: str
    """What the training is made from; checkpoints of another one are not continued."""
    epochs: int
    save_every_epochs: int = 4
    save_every_s: float = 30.0
    tolerated_failures: int = 5
    """So many steps in a row may have a loss that is not finite."""
    seed: int = 1234
    """Of everything that is drawn in the steps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a training."""

    epochs: int
    steps: int
    seconds: float
    """Time spent training, over all attempts."""
    losses: Losses
    """Mean of each part over the last epoch that this run trained; empty when it only restored a finished one."""
    resumed_from: int
    """Step of the checkpoint that it started from, 0 for none."""


def run_training(trainee: Trainee, options: LoopOptions, progress: Progress, group: Group = ALONE) -> Outcome:
    """Train until the last epoch is done, starting from the newest checkpoint of the same training.

    Args:
        trainee: what learns.
        options: how long, and where its files lie.
        progress: hears of each step; when it raises in any process, all of them stop after a checkpoint.
        group: this process among those that train together. Only its first one writes files.

    Raises:
        TrainingDivergedError: the loss was not finite too often in a row.
        StoppedElsewhere: the progress of another process raised.
    """
    group.any(False)  # all have arrived, so nobody writes a checkpoint any more
    snapshot = load_snapshot(options.folder, options.input_hash)
    position = snapshot.position if snapshot else Position()
    if snapshot is not None:
        trainee.load_state_dict(snapshot.trainee)
        logger.info("training continues after step %d", position.step)
        if snapshot.replicas != group.size:
            logger.info(
                "it was trained by %d processes and now by %d: its epoch begins anew", snapshot.replicas, group.size
            )
            position.batch = 0
    if group.totals({"step": float(position.step)})["step"] != position.step * group.size:
        raise TrainingDivergedError("the processes of this training read different checkpoints; train again")
    return _Run(trainee, options, progress, group, position).go()


class StoppedElsewhere(Exception):  # noqa: N818 - not an error: another process of this training was told to stop
    """Another process ended the training; it knows why."""


class _Run:
    """One attempt at a training."""

    def __init__(
        self, trainee: Trainee, options: LoopOptions, progress: Progress, group: Group, position: Position
    ) -> None:
        self.trainee, self.options, self.progress, self.group = trainee, options, progress, group
        self.position = position
        self.resumed_from = position.step
        self.saved_step = position.step
        self.saved_at_s = time.monotonic()
        self.failures = 0
        self.metrics = begin_metrics(options.folder, position.step) if group.leads else None
        self.last_epoch: list[Losses] = []

    def go(self) -> Outcome:
        """Run all epochs that are left."""
        while self.position.epoch < self.options.epochs:
            self._epoch()
        self._save()
        position = self.position
        return Outcome(position.epoch, position.step, position.seconds, _mean(self.last_epoch), self.resumed_from)

    def _epoch(self) -> None:
        position = self.position
        batches = self.trainee.batches(position.epoch)
        total = len(batches) * self.options.epochs
        self.last_epoch = []
        while position.batch < len(batches):
            self._tell(total, f"epoch {position.epoch + 1} of {self.options.epochs}")
            self._step(batches[position.batch])
            if time.monotonic() - self.saved_at_s > self.options.save_every_s:
                self._save()
        position.epoch, position.batch = position.epoch + 1, 0
        self._tell(total, f"epoch {position.epoch} of {self.options.epochs} done")
        if position.epoch % self.options.save_every_epochs == 0:
            self._save()

    def _tell(self, total: int, note: str) -> None:
        """Report progress; this is where a training is stopped, between two steps, so the state is whole."""
        asked: BaseException | None = None
        try:
            self.progress(self.position.step, total, note)
        except BaseException as reason:
            asked = reason
        if self.group.any(asked is not None):
            self._save()
            raise asked or StoppedElsewhere

    def _step(self, items: Sequence[int]) -> None:
        position = self.position
        started = time.perf_counter()
        torch.manual_seed(step_seed(self.options.seed, position.step))
        losses = self.trainee.train(position.epoch, position.batch, items)
        seconds = time.perf_counter() - started
        position.batch, position.step, position.seconds = (
            position.batch + 1,
            position.step + 1,
            position.seconds + seconds,
        )
        self.last_epoch.append(losses)
        if self.metrics is not None:
            where = {"step": position.step, "epoch": position.epoch + 1}
            speed = {"seconds": position.seconds, "samples_per_second": len(items) / seconds}
            append_metrics(self.metrics, {**where, **losses, **speed})
        self._guard(losses)

    def _guard(self, losses: Losses) -> None:
        if all(math.isfinite(value) for value in losses.values()):
            self.failures = 0
            return
        self.failures += 1
        logger.warning("the loss of step %d is not finite; the step is left out", self.position.step)
        if self.failures > self.options.tolerated_failures:
            raise TrainingDivergedError(
                f"the loss was not finite in {self.failures} steps in a row (up to step {self.position.step}); "
                "check the recordings, or train again with another seed"
            )

    def _save(self) -> None:
        """Keep what was reached, unless it is kept already; all processes hold the same, so one of them writes."""
        if self.position.step > self.saved_step and self.group.leads:
            save_snapshot(
                self.options.folder,
                self.options.input_hash,
                Snapshot(self.position, self.trainee.state_dict(), self.group.size),
            )
        self.saved_step = self.position.step
        self.saved_at_s = time.monotonic()


def _mean(losses: Sequence[Losses]) -> Losses:
    """Return the mean of each value over the steps that have it."""
    columns: dict[str, list[float]] = {}
    for step in losses:
        for name, value in step.items():
            columns.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in columns.items()}
