"""Both trainers: they learn, they resume bit for bit, and they stop when the loss is no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from GPT_SoVITS.errors import TrainingDataError, TrainingDivergedError
from GPT_SoVITS.training.gpt_data import gpt_batches
from GPT_SoVITS.training.loop import LoopOptions, Outcome, run_training
from GPT_SoVITS.training.recipe import SMALL_SET, GptRecipe, SovitsRecipe, repetitions
from GPT_SoVITS.training.sovits_data import bucket_of, check_enough, sovits_batches
from tests.engine.trainees import gpt_trainee, sovits_trainee


class Interrupted(Exception):  # noqa: N818 - somebody asked for it
    """Stands for a cancelled job."""


def _weights(trainee: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainee.model.state_dict().items()}


def _silent(_done: int, _total: int, _note: str) -> None:
    return None


@pytest.mark.parametrize("make", [sovits_trainee, gpt_trainee], ids=["sovits", "gpt"])
def test_a_resumed_training_equals_an_uninterrupted_one(make: Callable[[], Any], tmp_path: Path) -> None:
    # given a training that ran without a break
    whole = make()
    before = _weights(whole)
    outcome = run_training(whole, LoopOptions(tmp_path / "whole", "h", 2), _silent)
    assert any(not torch.equal(before[name], value) for name, value in _weights(whole).items()), "it learned"

    # when another one is interrupted in the middle of an epoch and continued by a new process's objects
    def interrupt(done: int, _total: int, _note: str) -> None:
        if done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_training(make(), LoopOptions(tmp_path / "parts", "h", 2), interrupt)
    torch.manual_seed(99)
    resumed = make()
    second = run_training(resumed, LoopOptions(tmp_path / "parts", "h", 2), _silent)

    # then the weights are the same bit for bit
    assert second.resumed_from == 3
    assert second.steps == outcome.steps
    for name, value in _weights(whole).items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_another_training_is_not_continued(tmp_path: Path) -> None:
    run_training(gpt_trainee(), LoopOptions(tmp_path, "one", 1), _silent)
    outcome: Outcome = run_training(gpt_trainee(), LoopOptions(tmp_path, "another", 1), _silent)
    assert outcome.resumed_from == 0


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    run_training(gpt_trainee(), LoopOptions(tmp_path, "h", 2, save_every_epochs=1), _silent)
    newest = sorted(tmp_path.glob("state_*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    assert run_training(gpt_trainee(), LoopOptions(tmp_path, "h", 2), _silent).resumed_from > 0


class Diverging:
    """A trainee whose loss is never a number."""

    def batches(self, epoch: int) -> Sequence[Sequence[int]]:
        return [[0]] * 50

    def train(self, epoch: int, batch: int, items: Sequence[int]) -> dict[str, float]:
        return {"loss": float("nan")}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError, match="not finite"):
        run_training(Diverging(), LoopOptions(tmp_path, "h", 1), _silent)


def test_small_sets_are_repeated_as_in_the_public_loaders() -> None:
    assert [repetitions(n) for n in (1, 12, 60, 99, 100, 500)] == [100, 8, 2, 2, 1, 1]
    assert SovitsRecipe().small_set == GptRecipe().small_set == SMALL_SET


def test_every_clip_is_in_a_batch_and_batches_are_full() -> None:
    recipe = SovitsRecipe()
    frames = [100, 200, 350, 700, 1500]
    batches = sovits_batches(frames, 4, 0, recipe)
    assert {index for batch in batches for index in batch} == set(range(5))
    assert all(len(batch) == 4 for batch in batches)
    assert all(len({bucket_of(frames[i], recipe.bucket_limits_frames) for i in batch}) == 1 for batch in batches)
    assert sovits_batches(frames, 4, 0, recipe) == batches
    assert sovits_batches(frames, 4, 1, recipe) != batches


def test_gpt_batches_follow_from_the_epoch_alone() -> None:
    seconds = list(np.linspace(1, 12, 30))
    assert gpt_batches(seconds, 8, 3, GptRecipe()) == gpt_batches(seconds, 8, 3, GptRecipe())
    assert {i for batch in gpt_batches(seconds, 8, 3, GptRecipe()) for i in batch} == set(range(30))


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(TrainingDataError, match="no usable clip is left"):
        check_enough(0, [])
