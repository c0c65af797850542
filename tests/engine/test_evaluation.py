"""Measures of a voice: errors, silence, clipping, speakers, and the evaluation as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from GPT_SoVITS.audio import decode
from GPT_SoVITS.evaluation.evaluate import LANGUAGES, Recording, Sentence, evaluate, fixed_sentences
from GPT_SoVITS.evaluation.measures import character_errors, clipping_share, silence_share
from GPT_SoVITS.inference import Reference
from GPT_SoVITS.speaker_similarity import similarity, speaker_vector
from tests.engine.small_voice import small_voice

CLIPS = sorted((Path(__file__).parent.parent / "data" / "allison_en").glob("*.flac"))


@pytest.mark.parametrize(
    ("wanted", "heard", "language", "errors"),
    [
        ("Good morning, everyone!", "good morning everyone", "en", 0.0),
        ("cats", "cat", "en", 0.25),
        ("他在家", "她在加", "zh", 0.0),
        ("他在家", "他在", "zh", 1 / 3),
        ("今天3点", "今天三點", "zh", 0.25),
        ("ありがとう。", "ありがと", "ja", 0.2),
        ("hello", "", "en", 1.0),
    ],
)
def test_character_errors(wanted: str, heard: str, language: str, errors: float) -> None:
    assert character_errors(wanted, heard, language) == pytest.approx(errors)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no letters"):
        character_errors("...", "what", "en")


@given(
    st.text(alphabet="abcdé ,.漢字かな", min_size=1, max_size=20).filter(lambda text: any(c.isalpha() for c in text))
)
def test_what_is_heard_as_written_has_no_errors(text: str) -> None:
    for language in LANGUAGES:
        assert character_errors(text, text.upper(), language) == 0.0


def test_silence_and_clipping() -> None:
    tone = np.sin(np.arange(16_000) / 10).astype(np.float32) * 0.5
    half = np.concatenate([tone, np.zeros(16_000, np.float32)])
    assert silence_share(half, 16_000) == pytest.approx(0.5, abs=0.02)
    assert silence_share(np.zeros(0, np.float32), 16_000) == silence_share(np.zeros(999, np.float32), 16_000) == 1.0
    assert clipping_share(tone) == 0.0
    assert clipping_share(np.clip(tone * 9, -1, 1)) > 0.5


def test_one_speaker_is_more_like_herself_than_like_a_buzz() -> None:
    one, other = (speaker_vector(*_read(clip)) for clip in CLIPS[:2])
    buzz = np.sign(np.sin(np.arange(48_000) / 20)).astype(np.float32) * 0.1
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-4)
    assert similarity(one, other) > 0.75 > similarity(one, speaker_vector(buzz, 16_000))


def test_loudness_does_not_change_the_speaker() -> None:
    samples, rate_hz = _read(CLIPS[0])
    assert similarity(speaker_vector(samples, rate_hz), speaker_vector(samples * 0.05, rate_hz)) > 0.98


@pytest.mark.parametrize("language", [*LANGUAGES, "ko"])
def test_every_voice_is_judged_by_the_same_sentences(language: str) -> None:
    sentences = fixed_sentences(language)
    assert len(sentences) == 20
    assert fixed_sentences(language, 3) == sentences[:3]


def test_an_evaluation_says_what_was_heard() -> None:
    recordings = [Recording(clip, "well", "en") for clip in CLIPS[:3]]
    sentences = [Sentence("Good morning.", "en"), Sentence("Good night.", "en")]

    def listener(samples: np.ndarray, rate_hz: int, language: str) -> str:
        assert language == "en"
        assert len(samples) > rate_hz // 10
        return "Good morning."

    found = evaluate(small_voice(), Reference(CLIPS[0], "well", "en"), recordings, sentences, listener)

    assert [each.heard for each in found.sentences] == ["Good morning."] * 2
    assert found.sentences[0].character_errors == 0.0 < found.sentences[1].character_errors
    assert found.character_error_rate == pytest.approx(found.sentences[1].character_errors / 2)
    assert found.character_error_rate_by_language == {"en": found.character_error_rate}
    assert found.real_character_error_rate is not None
    assert found.real_similarity is not None
    assert found.real_similarity > 0.8
    assert found.similarity is not None
    assert found.similarity < found.real_similarity
    assert found.real_time_factor > 0
    facts = found.as_facts()
    assert facts["sentences"][0]["text"] == "Good morning."


def _read(path: Path) -> tuple[np.ndarray, int]:
    wave = decode(path)
    return wave.samples, wave.rate_hz
