"""A faulty piece is tried again with other seeds, and the best try is used."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from GPT_SoVITS.models.semantic_generation import SemanticText
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.speech_guard import RateBounds
from GPT_SoVITS.takes import Piece, TakeOptions, best_takes
from tests.engine.small_voice import SMALL_GPT

BOUNDS = RateBounds(1.5, 3.0)
SEED_STRIDE = 7919


@pytest.fixture(scope="module")
def model() -> TextToSemantic:
    """A model whose sentences end anywhere, so that some are too short, some too long."""
    torch.manual_seed(2)
    network = TextToSemantic(SMALL_GPT).eval()
    with torch.no_grad():
        network.ar_predict_layer.weight[SMALL_GPT.eos] *= 2.0
    return network


def _piece(phones: int, seed: int) -> Piece:
    source = torch.Generator().manual_seed(phones)
    text = SemanticText(torch.randint(0, 300, (phones,), generator=source), torch.zeros(8, phones))
    return Piece(text, phones, seed)


def _prompt() -> Tensor:
    return torch.randint(0, 1024, (20,), generator=torch.Generator().manual_seed(1))


def _options(tries: int) -> TakeOptions:
    return TakeOptions(SamplingOptions(), BOUNDS, tries)


def test_the_best_of_all_tries_is_used(model: TextToSemantic) -> None:
    for seed in range(12):
        tries = [
            best_takes(model, [_piece(20, seed + SEED_STRIDE * attempt)], _prompt(), _options(1))[0]
            for attempt in range(3)
        ]
        first_good = next((take for take in tries if take.verdict.passed), None)
        expected = first_good or min(tries, key=lambda take: take.verdict.badness)
        (best,) = best_takes(model, [_piece(20, seed)], _prompt(), _options(3))
        assert torch.equal(best.codes, expected.codes)
        assert best.verdict == expected.verdict


def test_what_is_tried_again_beside_others_becomes_what_it_becomes_alone(model: TextToSemantic) -> None:
    pieces = [_piece(8 + 3 * number, number) for number in range(10)]
    together = best_takes(model, pieces, _prompt(), _options(3))
    alone = [best_takes(model, [piece], _prompt(), _options(3))[0] for piece in pieces]
    first = best_takes(model, pieces, _prompt(), _options(1))
    assert len({take.verdict.passed for take in first}) == 2, "some pass at once, some are tried again"
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.codes, other.codes)
