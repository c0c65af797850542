"""What is measured in a clip."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from GPT_SoVITS.audio import decode
from GPT_SoVITS.speaker_similarity import similarity, speaker_vector
from pipeline.measures import measure, speaker_mark

RATE_HZ = 32_000


def speech(seconds: float = 2.0) -> np.ndarray:
    """A tone that stops every half second."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 200 * time_s) * (time_s % 1 < 0.5)).astype(np.float32)


@pytest.mark.parametrize("noise_db", [-70.0, -50.0, -30.0])
def test_noise_is_measured_between_the_words(noise_db: float) -> None:
    noise = 10 ** (noise_db / 20) * np.random.default_rng(1).standard_normal(2 * RATE_HZ)
    expected_db = 10 * np.log10(0.3**2 / 2) - noise_db
    assert measure((speech() + noise).astype(np.float32), RATE_HZ)["snr_db"] == pytest.approx(expected_db, abs=2)


def test_digital_silence_and_nothing_but_noise_have_bounds() -> None:
    assert measure(speech(), RATE_HZ)["snr_db"] == 80.0
    assert measure(np.zeros(RATE_HZ, np.float32), RATE_HZ) == {"snr_db": 0.0, "clipped": 0.0, "level_db": -100.0}
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE_HZ).astype(np.float32)
    assert measure(noise, RATE_HZ)["snr_db"] < 3


def test_clipped_peaks_are_told_from_single_loud_samples() -> None:
    loud = np.clip(4 * speech(), -1.0, 1.0)
    assert measure(loud, RATE_HZ)["clipped"] > 0.1
    single = speech()
    single[100] = single[5000] = 1.0
    assert measure(single, RATE_HZ)["clipped"] == 0.0


def test_a_clip_of_one_frame_is_measured() -> None:
    assert measure(speech(0.005), RATE_HZ)["level_db"] < 0


def test_who_speaks_is_noted_exactly_enough_to_compare_clips() -> None:
    clips = Path(__file__).parent.parent / "data" / "allison_en"
    one, other = (decode(clips / name, RATE_HZ).samples for name in ("demo-thanks.flac", "vm-nobox.flac"))
    noted = [
        np.frombuffer(base64.b64decode(speaker_mark(each, RATE_HZ)), np.uint8).astype(float) for each in (one, other)
    ]
    cosine = noted[0] @ noted[1] / np.linalg.norm(noted[0]) / np.linalg.norm(noted[1])
    exact = similarity(speaker_vector(one, RATE_HZ), speaker_vector(other, RATE_HZ))
    assert exact > 0.75
    assert cosine == pytest.approx(exact, abs=5e-3)
