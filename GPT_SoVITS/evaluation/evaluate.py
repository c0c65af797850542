"""Evaluate a voice: speak fixed sentences, listen to them, compare them with real recordings of the speaker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from GPT_SoVITS.audio import decode
from GPT_SoVITS.evaluation.measures import Samples, character_errors, clipping_share, silence_share
from GPT_SoVITS.inference import Reference, SpeakOptions, Voice
from GPT_SoVITS.speaker_similarity import similarity, speaker_vector
from GPT_SoVITS.word_check import Listener

LANGUAGES = ("en", "ja", "zh")
_FEWEST_FOR_CEILING = 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text to be spoken and its language: zh, en or ja."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A real recording of the speaker and what is said in it ("" where unknown)."""

    path: Path
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Heard:
    """One spoken sentence."""

    text: str
    language: str
    heard: str
    character_errors: float
    similarity: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured. Shares and rates are means over all sentences; None where there was nothing to compare."""

    character_error_rate: float
    character_error_rate_by_language: dict[str, float]
    real_character_error_rate: float | None
    """Of the real recordings, by the same recogniser: no voice can be expected to do better."""
    similarity: float | None
    """Mean cosine to the centroid of the real recordings."""
    real_similarity: float | None
    """The same of the real recordings, each against the centroid of the others."""
    characters_per_second: float
    silence_share: float
    clipping_share: float
    real_time_factor: float
    sentences: tuple[Heard, ...]

    def as_facts(self) -> dict[str, Any]:
        """Return plain values, rounded, for the metrics of a voice."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def fixed_sentences(language: str, count: int | None = None) -> list[Sentence]:
    """Return the sentences that every voice of a language is judged by; English where a language has none."""
    known = language if language in LANGUAGES else "en"
    lines = (Path(__file__).parent / f"{known}.txt").read_text(encoding="utf-8").splitlines()
    return [Sentence(line, known) for line in lines if line.strip()][:count]


def evaluate(
    voice: Voice,
    reference: Reference,
    recordings: Sequence[Recording],
    sentences: Sequence[Sentence],
    listener: Listener,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Speak the sentences and measure them.

    Args:
        voice: the voice to judge.
        reference: what it speaks with.
        recordings: real ones of the speaker, best such as it was not trained on.
        sentences: at least one.
        listener: recognises words.
        progress: told sentences done and sentences in all.

    Raises:
        EngineError: a sentence cannot be spoken or a recording cannot be used.
        ValueError: there is no sentence.
    """
    if not sentences:
        raise ValueError("a voice cannot be judged without sentences")
    vectors = [speaker_vector(*_read(recording.path)) for recording in recordings]
    spoken: list[tuple[Heard, Samples]] = []
    spent_s = 0.0
    rate_hz = voice.family.audio.sample_rate_hz
    voice.speak(sentences[0].text, sentences[0].language, reference, SpeakOptions(seed=0))  # what is loaded only once
    for number, sentence in enumerate(sentences):
        if progress is not None:
            progress(number, len(sentences))
        began = time.perf_counter()
        speech = voice.speak(sentence.text, sentence.language, reference, SpeakOptions(seed=number))
        spent_s += time.perf_counter() - began
        samples = speech.samples.astype(np.float32) / np.float32(32768.0)
        spoken.append((_judge(sentence, samples, rate_hz, vectors, listener), samples))
    heard = tuple(each for each, _ in spoken)
    seconds = sum(each.seconds for each in heard)
    return Evaluation(
        character_error_rate=_mean([each.character_errors for each in heard]),
        character_error_rate_by_language={
            language: _mean([each.character_errors for each in heard if each.language == language])
            for language in dict.fromkeys(each.language for each in heard)
        },
        real_character_error_rate=_real_errors(recordings, listener),
        similarity=_mean([each.similarity for each in heard if each.similarity is not None]) if vectors else None,
        real_similarity=_ceiling(vectors),
        characters_per_second=sum(len(each.text) for each in heard) / max(seconds, 0.01),
        silence_share=_mean([silence_share(samples, rate_hz) for _, samples in spoken]),
        clipping_share=_mean([clipping_share(samples) for _, samples in spoken]),
        real_time_factor=spent_s / max(seconds, 0.01),
        sentences=heard,
    )


def _judge(sentence: Sentence, samples: Samples, rate_hz: int, vectors: Sequence[Samples], listener: Listener) -> Heard:
    words = listener(samples, rate_hz, sentence.language)
    return Heard(
        sentence.text,
        sentence.language,
        words,
        character_errors(sentence.text, words, sentence.language),
        similarity(speaker_vector(samples, rate_hz), _centroid(vectors)) if vectors else None,
        len(samples) / rate_hz,
    )


def _real_errors(recordings: Sequence[Recording], listener: Listener) -> float | None:
    known = [recording for recording in recordings if recording.text.strip()]
    errors = [character_errors(each.text, listener(*_read(each.path), each.language), each.language) for each in known]
    return _mean(errors) if errors else None


def _ceiling(vectors: Sequence[Samples]) -> float | None:
    """Return how alike real recordings are: each against the centroid of the others."""
    if len(vectors) < _FEWEST_FOR_CEILING:
        return None
    others = [[*vectors[:place], *vectors[place + 1 :]] for place in range(len(vectors))]
    return _mean([similarity(one, _centroid(rest)) for one, rest in zip(vectors, others, strict=True)])


def _centroid(vectors: Sequence[Samples]) -> Samples:
    mean = np.mean(vectors, axis=0)
    centroid: Samples = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
    return centroid


def _read(path: Path) -> tuple[Samples, int]:
    wave = decode(path)
    return wave.samples, wave.rate_hz


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
