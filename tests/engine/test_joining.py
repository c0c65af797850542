"""Fragments of speech become one recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from GPT_SoVITS.dataset import stored_wave, training_mix
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.joining import at_most_full_scale, cross_fade, join, to_pcm, with_pause


def test_full_scale_is_clipped_and_never_wraps() -> None:
    assert to_pcm(np.array([1.0, -1.0, 1.5, -1.5, 0.0], np.float32)).tolist() == [32767, -32768, 32767, -32768, 0]


def test_only_what_is_too_loud_is_turned_down() -> None:
    quiet, loud = np.array([0.5, -0.9], np.float32), np.array([0.5, -2.0], np.float32)
    assert at_most_full_scale(quiet) is quiet
    assert at_most_full_scale(loud).tolist() == [0.25, -1.0]
    assert at_most_full_scale(np.zeros(0, np.float32)).size == 0


def test_a_fragment_is_followed_by_its_pause() -> None:
    fragment = np.full(2, 0.5, np.float32)
    assert with_pause(fragment, 0.0001, 32_000).tolist() == [0.5, 0.5, 0, 0, 0]
    assert with_pause(fragment, 0.0, 32_000).tolist() == [0.5, 0.5]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 60), st.integers(8, 64))
def test_cut_sound_is_joined_where_it_was_cut(offset: int, overlap: int) -> None:
    whole = torch.randn(600, generator=torch.Generator().manual_seed(3))
    first, second = whole[:300], whole[300 - overlap - offset :]
    joined = join([first, second], overlap, search=80)
    torch.testing.assert_close(joined[: 300 - overlap], whole[: 300 - overlap])
    # The fade weights of a Hann window add up to 1, so equal sound stays as it is.
    assert joined.shape == whole.shape
    torch.testing.assert_close(joined, whole, rtol=0, atol=1e-5)


def test_silence_is_joined_without_a_number_that_is_none() -> None:
    done, current = cross_fade(torch.zeros(100), torch.zeros(100), 20, 10)
    assert done.shape == (80,) and bool(current.isfinite().all())


def test_a_stored_mix_beyond_full_scale_is_clipped() -> None:
    wave = np.array([2.0, -2.0, 0.5], np.float32)
    assert stored_wave(wave).tolist() == [32767, -32768, int((0.95 / 2 * 0.5 + 0.5) * 0.5 * 32768)]
    assert training_mix(wave)[0] == pytest.approx(0.475 + 1.0)


@pytest.mark.parametrize("wave", [[], [0.0, 0.0], [np.nan, 0.1], [np.inf], [2.3, 0.0]])
def test_what_holds_no_usable_sound_is_refused(wave: list[float]) -> None:
    with pytest.raises(AudioError):
        stored_wave(np.array(wave, np.float32))
