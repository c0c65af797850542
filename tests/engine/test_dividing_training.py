"""However a batch is divided, over halves or over processes, what is learned from it is the same."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from GPT_SoVITS.devices import Compute, choose_compute, is_out_of_memory, precision_for
from GPT_SoVITS.errors import TrainingMemoryError
from GPT_SoVITS.training.loop import LoopOptions, StoppedElsewhere, run_training
from GPT_SoVITS.training.parallel import join_group, leave_group
from GPT_SoVITS.training.snapshot import Position, Snapshot, save_snapshot
from tests.engine.trainees import GPT_RECIPE, Making, gpt_trainee, sovits_trainee, tiny_family

Make = Callable[[Making], Any]
MORE_THAN_ANY_MACHINE = 1 << 60
MAKERS: dict[str, Make] = {"sovits": sovits_trainee, "gpt": gpt_trainee}
BOTH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


class Interrupted(Exception):  # noqa: N818 - somebody asked for it
    """Stands for a cancelled job."""


def _silent(_done: int, _total: int, _note: str) -> None:
    return None


def _weights(trainee: Any) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainee.model.state_dict().items()}


def _train(trainee: Any, folder: Path, epochs: int = 1) -> dict[str, Tensor]:
    run_training(trainee, LoopOptions(folder, "h", epochs), _silent, trainee.setup.group)
    return _weights(trainee)


def _assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor], start: dict[str, Tensor]) -> None:
    """Compare what was learned: differences must be small beside how far training moved each tensor."""
    for name, value in expected.items():
        moved = (value - start[name]).abs().max().item() if value.is_floating_point() else 0.0
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-3 * moved + 1e-7, msg=name)


@contextmanager
def _full_memory(trainee: Any, rows_that_fit: int) -> Iterator[list[int]]:
    """Let the model really run out of memory on larger batches: it asks the allocator for far too much."""
    refused: list[int] = []

    def ask(_module: Any, inputs: tuple[Any, ...]) -> None:
        first = inputs[0]
        rows = len(first if isinstance(first, Tensor) else first.phones)
        if rows > rows_that_fit:
            refused.append(rows)
            torch.empty(MORE_THAN_ANY_MACHINE, dtype=torch.uint8)

    handle = trainee.model.register_forward_pre_hook(ask)
    yield refused
    handle.remove()


@BOTH
def test_halved_batches_teach_the_same(make: Make, tmp_path: Path) -> None:
    # given a training without and one with too little memory for its batches
    making = Making(batch_size=4, plain=True)
    start = _weights(make(making))
    expected = _train(make(making), tmp_path / "whole")
    trainee = make(making)
    # when the memory is full at the first batch
    with _full_memory(trainee, 2) as refused:
        found = _train(trainee, tmp_path / "halves")
    # then it is asked once too often, and what is learned is the same
    assert refused == [4]
    _assert_equal(found, expected, start)
    # and the checkpoint remembers it
    resumed = make(making)
    resumed.load_state_dict(trainee.state_dict())
    assert resumed.division.parts == 2


@BOTH
def test_memory_that_is_full_in_the_middle_of_a_step_loses_nothing(make: Make, tmp_path: Path) -> None:
    """When the generator's turn comes, the discriminators have learned already; in GPT, gradients are waiting."""
    making = Making(batch_size=4, plain=True)
    start = _weights(make(making))
    expected = _train(make(making), tmp_path / "whole")
    trainee = make(making)
    left = [1]

    def ask(gradient: Tensor) -> None:
        if not left:
            return
        left.pop()
        torch.empty(MORE_THAN_ANY_MACHINE, dtype=torch.uint8)

    parameter = next(parameter for name, parameter in trainee.model.named_parameters() if "ssl_proj" not in name)
    parameter.register_hook(ask)
    found = _train(trainee, tmp_path / "halves")
    assert not left
    assert trainee.division.parts == 2
    _assert_equal(found, expected, start)


@BOTH
def test_memory_too_small_for_half_a_batch_is_a_clear_error(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainee = make(Making(batch_size=4))
    caplog.set_level(logging.WARNING)
    with _full_memory(trainee, 0), pytest.raises(TrainingMemoryError, match="lower batch_size"):
        _train(trainee, tmp_path)
    assert "computed in two halves" in caplog.text


def test_an_error_of_another_kind_is_not_taken_for_a_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(MORE_THAN_ANY_MACHINE, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def _rank(rank: int, folder: str, making: Making) -> None:
    """Train both models as one of two processes: without a break, then interrupted and continued."""
    torch.set_num_threads(1)
    place = Path(folder)
    group = join_group(rank, 2, place / "rendezvous", torch.device("cpu"))

    def stop(done: int, _total: int, _note: str) -> None:
        if rank == 1 and done == 1:
            raise Interrupted

    for name, make in MAKERS.items():
        whole, parts, resumed = (make(replace(making, group=group)) for _ in range(3))
        run_training(whole, LoopOptions(place / name / "whole", "h", 1), _silent, group)
        try:
            run_training(parts, LoopOptions(place / name / "parts", "h", 1), stop, group)
        except (Interrupted, StoppedElsewhere) as reason:
            (place / name / f"stopped_{rank}").write_text(type(reason).__name__)
        outcome = run_training(resumed, LoopOptions(place / name / "parts", "h", 1), _silent, group)
        assert outcome.resumed_from == 1
        torch.save([_weights(whole), _weights(resumed)], place / name / f"rank_{rank}.pt")
    leave_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_doubled_batches(tmp_path: Path) -> None:
    # given two processes that train together with batches of two
    folder = tmp_path / "两 processes"
    folder.mkdir()
    making = Making(batch_size=2, plain=True)
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=_rank, args=(rank, str(folder), making)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(200)
    assert [process.exitcode for process in ranks] == [0, 0]
    for name, make in MAKERS.items():
        # when one process trains with batches of four
        start = _weights(make(making))
        expected = _train(make(replace(making, batch_size=4)), tmp_path / name)
        # then the two agree with each other bit for bit, and with the one
        first, resumed = torch.load(folder / name / "rank_0.pt", weights_only=True)
        second, _ = torch.load(folder / name / "rank_1.pt", weights_only=True)
        assert all(torch.equal(value, second[key]) for key, value in first.items())
        _assert_equal(first, expected, start)
        # and when one of them was interrupted, the other one stopped, too, and both continued
        assert (folder / name / "stopped_0").read_text() == "StoppedElsewhere"
        assert (folder / name / "stopped_1").read_text() == "Interrupted"
        assert all(torch.equal(value, resumed[key]) for key, value in first.items())


def test_a_training_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    """Batches are others then, so the epoch that was interrupted begins anew."""
    trainee = gpt_trainee(Making(batch_size=4))
    save_snapshot(tmp_path, "h", Snapshot(Position(epoch=0, batch=3, step=3), trainee.state_dict(), replicas=2))
    outcome = run_training(trainee, LoopOptions(tmp_path, "h", 1), _silent)
    assert outcome.resumed_from == 3
    assert outcome.steps == 3 + len(trainee.batches(0))


HALF = Compute(torch.device("cpu"), torch.float16, "float16 for this test")


def test_both_networks_of_sovits_learn_in_half_precision() -> None:
    trainee = sovits_trainee(Making(compute=HALF))
    trainee.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = _weights(trainee)
    losses = trainee.train(0, 0, trainee.batches(0)[0])
    assert losses["gradient_norm"] > 0
    assert losses["discriminator_gradient_norm"] > 0
    assert any(not torch.equal(before[name], value) for name, value in _weights(trainee).items())


def test_half_precision_learns_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    def fresh() -> Any:
        trainee = gpt_trainee(Making(compute=HALF))
        trainee.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
        return trainee

    start = _weights(fresh())
    trainee = fresh()
    whole = _train(trainee, tmp_path / "whole", epochs=2)
    assert any(not torch.equal(start[name], value) for name, value in whole.items())
    assert all(torch.isfinite(value).all() for value in whole.values() if value.is_floating_point())
    assert trainee.scaler.get_scale() > 4.0

    def stop(done: int, _total: int, _note: str) -> None:
        if done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_training(fresh(), LoopOptions(tmp_path / "parts", "h", 2), stop)
    resumed = _train(fresh(), tmp_path / "parts", epochs=2)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_a_speaker_vector_is_trained_with(tmp_path: Path) -> None:
    chosen = tiny_family(speaker_vector_channels=24)
    trainee = sovits_trainee(Making(), chosen)
    before = trainee.model.sv_emb.weight.detach().clone()
    _train(trainee, tmp_path)
    assert not torch.equal(before, trainee.model.sv_emb.weight)


def test_what_the_recipe_freezes_does_not_move(tmp_path: Path) -> None:
    trainee = sovits_trainee()
    before = _weights(trainee)
    after = _train(trainee, tmp_path)
    for name, value in after.items():
        if name.startswith(("ssl_proj.", "quantizer.")):
            assert torch.equal(before[name], value), name


def test_gradients_wait_over_the_end_of_an_epoch() -> None:
    """Windows of the public recipe: five batches, then four each; what is left over waits for the next epoch."""
    trainee = gpt_trainee(Making(batch_size=2), replace(GPT_RECIPE, batches_per_update=4))
    updates = []
    for epoch in range(2):
        for batch, items in enumerate(trainee.batches(epoch)):
            trainee.train(epoch, batch, items)
            updates.append(trainee.updates)
    assert updates == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2]


def test_precision_is_decided_by_what_the_gpu_can_do() -> None:
    assert precision_for((9, 0), "NVIDIA H100")[0] is torch.bfloat16
    assert precision_for((7, 5), "NVIDIA GeForce RTX 2080")[0] is torch.float16
    assert precision_for((7, 0), "Tesla V100")[0] is torch.float16
    assert precision_for((7, 5), "NVIDIA GeForce GTX 1660")[0] is torch.float32
    assert precision_for((6, 1), "NVIDIA GeForce GTX 1080")[0] is torch.float32
    compute = choose_compute("cpu")
    assert compute.dtype is torch.float32
    assert not compute.scales_gradients
    assert "CPU in float32" in compute.reason


def test_preference_training_is_divided_alike_and_resumes(tmp_path: Path) -> None:
    recipe = replace(GPT_RECIPE, preference=True)
    making = Making(batch_size=8, plain=True)
    start = _weights(gpt_trainee(making, recipe))
    whole = gpt_trainee(making, recipe)
    assert max(len(batch) for batch in whole.batches(0)) == 4, "batches are half as large"
    expected = _train(whole, tmp_path / "whole")
    halves = gpt_trainee(making, recipe)
    halves.division.parts = 2
    _assert_equal(_train(halves, tmp_path / "halves"), expected, start)
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(line)["preference"] > 0 for line in lines)
