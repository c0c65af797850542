"""The guard against dropped and repeated words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from GPT_SoVITS.speech_guard import LOOP_CODES, RateBounds, judge, learned_bounds, longest_loop

BOUNDS = RateBounds()


def _speech(codes: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 1024, codes)


@pytest.mark.parametrize(
    ("codes", "ended", "fault"),
    [
        (_speech(60), True, ""),
        (_speech(0), True, "no sound"),
        (_speech(15), True, "missing"),
        (_speech(300), True, "repeated"),
        (_speech(60), False, "did not find the end"),
        (np.concatenate([_speech(20), np.tile(_speech(7), 9), _speech(10)]), True, "over and over"),
        (np.concatenate([_speech(20), np.full(LOOP_CODES, 486)]), True, "over and over"),
        (np.concatenate([_speech(20), np.full(LOOP_CODES // 2, 486), _speech(20)]), True, ""),
    ],
)
def test_each_fault_is_named(codes: NDArray[np.int64], ended: bool, fault: str) -> None:
    verdict = judge(codes, 20, ended, BOUNDS)
    assert fault in verdict.fault
    assert verdict.passed == (fault == "")


def test_the_nearer_to_the_bounds_the_better() -> None:
    slow, slower = (judge(_speech(codes), 20, True, BOUNDS).badness for codes in (280, 400))
    fast, faster = (judge(_speech(codes), 20, True, BOUNDS).badness for codes in (15, 12))
    nothing, cut = judge(_speech(0), 20, True, BOUNDS).badness, judge(_speech(60), 20, False, BOUNDS).badness
    assert 0 < slow < slower < cut < nothing
    assert 0 < fast < faster < cut


def test_bounds_learned_from_a_voice_are_narrower_than_the_usual_ones() -> None:
    learned = learned_bounds([2.0, 2.2, 2.5, 3.0, 3.4])
    assert BOUNDS.least < learned.least < 2.0
    assert 3.4 < learned.most < BOUNDS.most
    assert learned_bounds([]) == BOUNDS
    assert learned_bounds([0.01, 100.0]) == BOUNDS, "never wider"


@given(st.lists(st.floats(0.5, 40.0), min_size=1))
def test_whatever_the_clips_the_bounds_are_a_range(rates: list[float]) -> None:
    learned = learned_bounds(rates)
    assert 0 < learned.least < learned.most


@given(st.integers(1, 40), st.integers(3, 8), st.integers(0, 30), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_loop_is_found_wherever_it_is(period: int, times: int, before: int, after: int, seed: int) -> None:
    source = np.random.default_rng(seed)
    codes = np.concatenate(
        [
            source.integers(0, 1024, before),
            np.tile(source.integers(0, 1024, period), times),
            source.integers(0, 1024, after),
        ]
    )
    assert longest_loop(codes) >= period * times


def test_speech_without_repetition_has_no_loop() -> None:
    assert longest_loop(np.arange(500)) == 0
    assert longest_loop(np.arange(0)) == 0


def test_bounds_without_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="no range"):
        RateBounds(3.0, 2.0)
