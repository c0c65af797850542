"""ScaledAdam follows the public trajectories, can be interrupted, and reduces a loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from GPT_SoVITS.training.scaled_adam import ScaledAdam, ScaledAdamOptions, semantic_learning_rate
from tests.engine.golden import golden_file


@pytest.fixture(scope="module")
def vectors() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/s1_optimizer.safetensors"))


def _parameters(vectors: dict[str, Tensor]) -> dict[str, nn.Parameter]:
    with safe_open(golden_file("vectors/s1_optimizer.safetensors"), "pt") as file:
        order = json.loads(file.metadata()["param_order"])
    return {name: nn.Parameter(vectors[f"in.init.{name}"].clone()) for name in order}


def _update(optimizer: ScaledAdam, named: dict[str, nn.Parameter], vectors: dict[str, Tensor], step: int) -> None:
    spike = vectors["in.spike"][step] if optimizer.param_groups[0]["clipping_update_period"] == 8 else 1.0
    for name, parameter in named.items():
        parameter.grad = vectors[f"in.grad.{name}"][step] * spike
    for group in optimizer.param_groups:
        group["lr"] = semantic_learning_rate(step)
    optimizer.step()


@pytest.mark.parametrize("period", [1000, 8])
def test_trajectories_equal_the_public_ones_with_and_without_clipping(vectors: dict[str, Tensor], period: int) -> None:
    named = _parameters(vectors)
    optimizer = ScaledAdam(named.values(), ScaledAdamOptions(clipping_update_period=period))
    compared = 0
    for step in range(40):
        _update(optimizer, named, vectors, step)
        for name, parameter in named.items():
            expected = vectors.get(f"out.period{period}.{name}.step{step + 1}")
            if expected is not None:
                torch.testing.assert_close(parameter.data, expected, rtol=1e-5, atol=1e-6)
                compared += 1
    assert compared >= 8 * len(named)


def test_learning_rate_is_high_once_and_constant_after_that(vectors: dict[str, Tensor]) -> None:
    used = torch.tensor([semantic_learning_rate(update) for update in range(40)])
    torch.testing.assert_close(used, vectors["out.lr_used"])


def test_a_run_resumed_from_its_state_equals_an_uninterrupted_one(vectors: dict[str, Tensor], tmp_path: Path) -> None:
    options = ScaledAdamOptions(clipping_update_period=8)
    whole, resumed = _parameters(vectors), _parameters(vectors)
    optimizer = ScaledAdam(whole.values(), options)
    for step in range(30):
        _update(optimizer, whole, vectors, step)

    first = ScaledAdam(resumed.values(), options)
    for step in range(17):
        _update(first, resumed, vectors, step)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = ScaledAdam(resumed.values(), options)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for step in range(17, 30):
        _update(second, resumed, vectors, step)

    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_a_small_network_learns() -> None:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(64, 4)
    y = x[:, :1] * x[:, 1:2]
    optimizer = ScaledAdam(network.parameters(), ScaledAdamOptions(lr=0.02))
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 10
