"""Sampling follows the public order of operations, and draws from the distribution it shows."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from GPT_SoVITS.sampling import (
    NoiseSource,
    SamplingOptions,
    draw,
    penalise_repetition,
    sample,
    token_probabilities,
)
from tests.engine.golden import golden_file


def _seen(previous: torch.Tensor, vocabulary: int) -> torch.Tensor:
    return torch.zeros(previous.shape[0], vocabulary, dtype=torch.bool).scatter_(1, previous, True)


@pytest.mark.parametrize("case", range(8))
def test_penalty_probabilities_and_draw_equal_the_public_ones(case: int) -> None:
    path = golden_file("vectors/s1_sampling.safetensors")
    vectors = load_file(path)
    with safe_open(path, "pt") as file:
        options = SamplingOptions(**json.loads(file.metadata()["cases"])[case])
    logits = vectors["in.logits"].clone()

    penalise_repetition(logits, _seen(vectors["in.previous"], logits.shape[1]), options.repetition_penalty)
    probabilities = token_probabilities(logits, options)

    torch.testing.assert_close(logits, vectors[f"out.logits_after_penalty.{case}"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(probabilities, vectors[f"out.probs.{case}"], rtol=1e-5, atol=1e-7)
    if f"out.draw.{case}" in vectors:
        assert torch.equal(draw(probabilities, vectors["in.exponential"]), vectors[f"out.draw.{case}"])


def test_draws_are_spread_like_the_probabilities() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1, 0.0]]).expand(20_000, -1)
    noise = torch.empty(20_000, 4).exponential_(generator=torch.Generator().manual_seed(5))
    drawn = draw(probabilities, noise)
    shares = torch.bincount(drawn, minlength=4) / 20_000
    torch.testing.assert_close(shares, probabilities[0], rtol=0, atol=0.015)


def test_noise_of_a_sequence_depends_on_its_seed_alone() -> None:
    def noise(*seeds: int) -> NoiseSource:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return NoiseSource(generators, 30, torch.device("cpu"))

    together, alone = noise(1, 2, 3), noise(3)
    for step in range(40):
        if step == 20:
            together.keep_rows([0, 2])
        rows, row = together.at(step), alone.at(step)
        assert torch.equal(rows[-1], row[0])
        assert not torch.equal(rows[0], row[0])
    assert float(rows.min()) > 0.0


def test_the_best_token_needs_no_noise() -> None:
    logits = torch.randn(4, 50, generator=torch.Generator().manual_seed(1))
    seen = torch.zeros(4, 50, dtype=torch.bool)
    drawn = sample(logits.clone(), seen, SamplingOptions(top_k=1), None)
    assert torch.equal(drawn, logits.argmax(-1))


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    top_k=st.none() | st.integers(1, 80),
    top_p=st.floats(0, 1),
    temperature=st.floats(0, 5),
    penalty=st.floats(0.1, 5),
)
def test_whatever_the_options_the_best_token_stays_possible_and_probabilities_sum_to_one(
    seed: int, top_k: int | None, top_p: float, temperature: float, penalty: float
) -> None:
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 60, generator=source) * 5
    seen = torch.rand(2, 60, generator=source) < 0.3
    penalise_repetition(logits, seen, penalty)
    probabilities = token_probabilities(logits, SamplingOptions(top_k, top_p, temperature, penalty))
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(2))
    assert torch.all(probabilities.gather(1, logits.argmax(-1, keepdim=True)) > 0)
    if top_k is not None:
        assert int((probabilities > 0).sum(-1).max()) <= top_k


@pytest.mark.parametrize(
    "values",
    [{"top_k": 0}, {"top_p": 1.5}, {"top_p": float("nan")}, {"temperature": -1.0}, {"repetition_penalty": 0.0}],
)
def test_options_without_meaning_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        SamplingOptions(**values)  # type: ignore[arg-type]
