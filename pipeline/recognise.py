"""Speech recognition of single clips with Whisper, and the gates that a recognised text has to pass.

Clips are cut already, so each is one decoding window. The window is the clip and some silence, not 30 s: the encoder
accepts shorter windows, and most of its time would go into padding otherwise.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt

from GPT_SoVITS.audio import read_wav, resample
from GPT_SoVITS.whisper import RATE_HZ, encode, load_model, log_mel
from GPT_SoVITS.whisper_files import locate_model

Samples = npt.NDArray[np.float32]

WINDOW_STEP_S = 15.0
"""Windows are 15 or 30 s: with shorter ones Whisper base repeats itself (word error rate 13 % instead of 3 %) …"""
LEAST_PADDING_S = 2.0
"""… and hold at least this much silence behind the speech, by which Whisper knows that the sentence is over."""
LONGEST_WINDOW_S = 30.0
BEAM = 5
TEMPERATURES = (0.0, 0.2, 0.4)
MAX_TOKENS_PER_SECOND = 12.0
FIRST_TOKENS = 24
_PROMPTS = {"zh": "以下是普通话的句子，使用简体中文和标点符号。"}
_FALLBACK = {"yue": "zh"}
"""Whisper base has no token for Cantonese."""
LANGUAGES = ("zh", "en", "ja", "ko", "yue")

_PHANTOMS = frozenset(
    {
        "thank you.",
        "thanks for watching!",
        "thank you for watching!",
        "thank you for watching.",
        "you",
        ".",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "谢谢观看",
        "ご視聴ありがとうございました",
    }
)
"""What Whisper likes to hear in silence."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Limits beyond which a recognised text is not trusted. The first three are those of the Whisper paper's code."""

    no_speech_probability: float = 0.6
    average_log_probability: float = -1.0
    compression_ratio: float = 2.4
    hopeless_log_probability: float = -1.5
    characters_per_second: float = 30.0
    phantom_no_speech: float = 0.2


GATES = Gates()


@dataclass(frozen=True, slots=True)
class Scores:
    """How sure the recogniser is."""

    no_speech_probability: float
    average_log_probability: float
    compression_ratio: float
    characters_per_second: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was heard in one clip."""

    text: str
    language: str
    scores: Scores

    def facts(self) -> dict[str, Any]:
        """Return the scores rounded, for people."""
        return {name: round(value, 4) for name, value in asdict(self.scores).items()}


def objection(heard: Recognised, gates: Gates = GATES) -> str | None:
    """Return why a recognised text is not to be trusted, or None."""
    scores = heard.scores
    if not heard.text:
        return "no words were recognised"
    silent = scores.no_speech_probability
    if silent > gates.no_speech_probability and scores.average_log_probability < gates.average_log_probability:
        return f"no speech (probability {silent:.2f})"
    if heard.text.lower() in _PHANTOMS and silent > gates.phantom_no_speech:
        return f"no speech: {heard.text!r} is what the recogniser hears in noise"
    if scores.compression_ratio > gates.compression_ratio:
        return f"the recognised text repeats itself (compression ratio {scores.compression_ratio:.1f})"
    if scores.average_log_probability < gates.hopeless_log_probability:
        return f"the recogniser is unsure (average log-probability {scores.average_log_probability:.2f})"
    if scores.characters_per_second > gates.characters_per_second:
        return f"too many characters for the time ({scores.characters_per_second:.0f} a second)"
    return None


class Recogniser(AbstractContextManager["Recogniser"]):
    """A Whisper model in this process, loaded on first use."""

    def __init__(self, model_name: str, models_dir: str, device: str, compute_type: str) -> None:
        self._arguments = (model_name, models_dir, device, compute_type)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to give back: the model stays loaded for the content features."""

    @cached_property
    def _model(self) -> Any:
        name, models_dir, device, compute_type = self._arguments
        return load_model(locate_model(name, models_dir), device, compute_type)

    def recognise(self, clip: Path, language: str) -> Recognised:
        """Write down what is said in one clip (a WAV of at most 30 s; more is cut off) in a language of LANGUAGES."""
        return self.recognise_samples(clip_samples(clip), language)

    def recognise_samples(self, samples_16k: Samples, language: str) -> Recognised:
        """Write down what is said in float32 [samples] at 16 kHz; see `recognise`."""
        encoded = self._encoded(samples_16k)
        tokenizer = self._tokenizer(language)
        duration_s = len(samples_16k) / RATE_HZ
        best: Recognised | None = None
        for temperature in TEMPERATURES:
            heard = self._decode(encoded, tokenizer, language, duration_s, temperature)
            if best is None or _better(heard, best):
                best = heard
            if not _needs_another_try(heard.scores):
                break
        assert best is not None
        return best

    def language_of(self, clips: Sequence[Path]) -> str:
        """Return the language that is most likely over all clips."""
        totals = dict.fromkeys(LANGUAGES, 0.0)
        for clip in clips:
            encoded = self._encoded(clip_samples(clip))
            for token, probability in self._model.model.detect_language(encoded)[0]:
                code = token.strip("<|>")
                if code in totals:
                    totals[code] += probability
        return max(LANGUAGES, key=lambda code: totals[code])

    def _encoded(self, samples: Samples) -> Any:
        wanted_s = len(samples) / RATE_HZ + LEAST_PADDING_S
        window_s = min(LONGEST_WINDOW_S, WINDOW_STEP_S * np.ceil(wanted_s / WINDOW_STEP_S))
        window = round(window_s * RATE_HZ)
        padded = np.pad(samples[:window], (0, max(0, window - len(samples))))
        return encode(log_mel(padded, self._model)[None], self._model)

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        return Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=_FALLBACK.get(language, language),
        )

    def _decode(self, encoded: Any, tokenizer: Any, language: str, duration_s: float, temperature: float) -> Recognised:
        from faster_whisper.transcribe import get_suppressed_tokens

        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        if hint := _PROMPTS.get(_FALLBACK.get(language, language)):
            prompt = [tokenizer.sot_prev, *tokenizer.encode(" " + hint), *prompt]
        ctranslate2.set_random_seed(0)
        limit = len(prompt) + FIRST_TOKENS + round(MAX_TOKENS_PER_SECOND * duration_s)
        sampling = (
            {"beam_size": BEAM} if temperature == 0 else {"beam_size": 1, "num_hypotheses": BEAM, "sampling_topk": 0}
        )
        result = self._model.model.generate(
            encoded,
            [prompt],
            max_length=min(limit, self._model.max_length),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
            sampling_temperature=temperature or 1.0,
            **sampling,
        )[0]
        tokens = result.sequences_ids[0]
        text = _tidy(tokenizer.decode([token for token in tokens if token < tokenizer.eot]), language)
        average = result.scores[0] * len(tokens) / (len(tokens) + 1)
        size = len(text.encode())
        ratio = size / len(zlib.compress(text.encode())) if text else 0.0
        speed = len(text) / max(duration_s, 0.1)
        return Recognised(text, language, Scores(result.no_speech_prob, average, ratio, speed, temperature))


def clip_samples(clip: Path) -> Samples:
    """Return a clip as Whisper wants it: float32 [samples], mono, 16 kHz."""
    wave = read_wav(clip)
    return resample(wave.samples, wave.rate_hz, RATE_HZ)


def _needs_another_try(scores: Scores) -> bool:
    unsure = scores.average_log_probability < GATES.average_log_probability
    silent = scores.no_speech_probability > GATES.no_speech_probability
    return scores.compression_ratio > GATES.compression_ratio or (unsure and not silent)


def _better(new: Recognised, old: Recognised) -> bool:
    repeats = (
        new.scores.compression_ratio > GATES.compression_ratio,
        old.scores.compression_ratio > GATES.compression_ratio,
    )
    if repeats[0] != repeats[1]:
        return repeats[1]
    return new.scores.average_log_probability > old.scores.average_log_probability


def _tidy(text: str, language: str) -> str:
    plain = " ".join(text.split())
    if language != "zh":
        return plain
    from opencc import OpenCC

    simplified: str = OpenCC("t2s").convert(plain)
    return simplified
