"""Both trainers: they learn, they resume bit for bit, and they stop when the loss is no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.errors import TrainingDataError, TrainingDivergedError
from GPT_SoVITS.families import Family
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.codebook import install_codebook, whisper_codebook
from GPT_SoVITS.training.gpt_data import GptItem, gpt_batches
from GPT_SoVITS.training.gpt_trainer import GptSetup, GptTrainee
from GPT_SoVITS.training.loop import LoopOptions, Outcome, run_training
from GPT_SoVITS.training.recipe import SMALL_SET, GptRecipe, SovitsRecipe, gpt_recipe, repetitions, sovits_recipe
from GPT_SoVITS.training.sovits_data import SovitsItem, bucket_of, check_enough, sovits_batches
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee
from GPT_SoVITS.training.start import start_discriminator
from tests.engine.classic_family import classic_family


class Interrupted(Exception):  # noqa: N818 - somebody asked for it
    """Stands for a cancelled job."""


@pytest.fixture(scope="module")
def tiny() -> Family:
    nano = classic_family()
    sovits = replace(
        nano.sovits, hidden_channels=32, inter_channels=32, filter_channels=32, n_layers=1, posterior_layers=1
    )
    return replace(
        nano, sovits=sovits, gpt=replace(nano.gpt, embedding_dim=32, hidden_dim=32, head=2, n_layer=1, ffn_dim=64)
    )


def _generator(tiny: Family) -> SovitsModel:
    torch.manual_seed(1)
    model = SovitsModel(tiny.sovits, tiny.audio)
    install_codebook(model, whisper_codebook())
    return model


def _sovits(tiny: Family) -> SovitsTrainee:
    generator = torch.Generator().manual_seed(1)
    items = []
    for number in range(4):
        frames = 60 + 10 * number
        wave = torch.randn(frames * 640, generator=generator) * 0.1
        magnitudes = spectrogram(wave.unsqueeze(0), tiny.audio).squeeze(0)
        ssl = torch.randn(512, magnitudes.shape[1], generator=generator)
        items.append(SovitsItem(str(number), torch.randint(1, 300, (20,), generator=generator), ssl, magnitudes, wave))
    setup = SovitsSetup(tiny, replace(sovits_recipe(tiny), small_set=1), choose_compute("cpu"), 2)
    return SovitsTrainee(_generator(tiny), start_discriminator(tiny, 1), items, setup)


def _gpt(tiny: Family) -> GptTrainee:
    generator = torch.Generator().manual_seed(1)
    items = []
    for number in range(8):
        phones = torch.randint(1, 300, (10 + number,), generator=generator)
        items.append(GptItem(str(number), phones, torch.randint(0, 1024, (30 + number,), generator=generator), 1.2))
    recipe = replace(gpt_recipe(tiny), small_set=1, batches_per_update=1)
    torch.manual_seed(1)
    return GptTrainee(TextToSemantic(tiny.gpt), items, GptSetup(tiny, recipe, choose_compute("cpu"), 2))


def _weights(trainee: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in trainee.model.state_dict().items()}


def _silent(_done: int, _total: int, _note: str) -> None:
    return None


@pytest.mark.parametrize("make", [_sovits, _gpt], ids=["sovits", "gpt"])
def test_a_resumed_training_equals_an_uninterrupted_one(
    make: Callable[[Family], Any], tiny: Family, tmp_path: Path
) -> None:
    # given a training that ran without a break
    whole = make(tiny)
    before = _weights(whole)
    outcome = run_training(whole, LoopOptions(tmp_path / "whole", "h", 2), _silent)
    assert any(not torch.equal(before[name], value) for name, value in _weights(whole).items()), "it learned"

    # when another one is interrupted in the middle of an epoch and continued by a new process's objects
    def interrupt(done: int, _total: int, _note: str) -> None:
        if done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_training(make(tiny), LoopOptions(tmp_path / "parts", "h", 2), interrupt)
    torch.manual_seed(99)
    resumed = make(tiny)
    second = run_training(resumed, LoopOptions(tmp_path / "parts", "h", 2), _silent)

    # then the weights are the same bit for bit
    assert second.resumed_from == 3
    assert second.steps == outcome.steps
    for name, value in _weights(whole).items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_another_training_is_not_continued(tiny: Family, tmp_path: Path) -> None:
    run_training(_gpt(tiny), LoopOptions(tmp_path, "one", 1), _silent)
    outcome: Outcome = run_training(_gpt(tiny), LoopOptions(tmp_path, "another", 1), _silent)
    assert outcome.resumed_from == 0


def test_a_damaged_checkpoint_is_passed_over(tiny: Family, tmp_path: Path) -> None:
    run_training(_gpt(tiny), LoopOptions(tmp_path, "h", 2, save_every_epochs=1), _silent)
    newest = sorted(tmp_path.glob("state_*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    assert run_training(_gpt(tiny), LoopOptions(tmp_path, "h", 2), _silent).resumed_from > 0


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
