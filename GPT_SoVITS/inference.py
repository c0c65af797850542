"""Speaking: a trained voice, a reference recording, a text → a waveform (rules of the public inference engine)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import decode, resample
from GPT_SoVITS.checkpoints import POSTERIOR_PREFIX, load_weights, read_gpt_weights, read_sovits_weights
from GPT_SoVITS.content import CONTENT_RATE_HZ, content_encoder
from GPT_SoVITS.dataset import training_mix
from GPT_SoVITS.devices import Compute, choose_compute
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.semantic_generation import Generation, GenerationOptions, SemanticText
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.text.cutting import pieces_for_synthesis
from GPT_SoVITS.text.dictionary import Dictionary, Reading, dictionary_of
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.languages import Mode, mode_of

logger = logging.getLogger(__name__)

SHORTEST_REFERENCE_S = 3.0
LONGEST_REFERENCE_S = 10.0
PROMPT_PADDING_SAMPLES = 9_600
"""Silence after the reference, at 16 kHz: 0.6 s, as the public engine has it."""
PAUSE_S = 0.3
SENTENCE_MARKS = "，。？！,.?!~:：—…"
CODES_PER_PHONE = 12
"""A piece may take so many codes a phone (0.48 s), far slower than speech; an untrained model would babble on."""
LEAST_CODE_LIMIT = 100
TRIES = 3

Samples = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Receives pieces done and pieces in all; an exception it raises ends the speaking."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Whose voice, and what is said in it. Without a text the voice is taken from the sound alone."""

    audio: Path
    text: str = ""
    language: str = Mode.AUTO


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """How to speak. `seed` None draws one."""

    cut_method: str = "cut5"
    speed: float = 1.0
    pause_s: float = PAUSE_S
    seed: int | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    readings: tuple[Reading, ...] = ()
    """Words of the user's dictionaries."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken sound, int16 [samples], with what the listener should know."""

    samples: NDArray[np.int16]
    rate_hz: int
    seed: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ReferenceFeatures:
    """What is computed once a reference: prompt codes int64 [T], spectrogram [1, bins, frames], warnings."""

    codes: Tensor
    spectrogram: Tensor
    warnings: tuple[str, ...]


class Voice:
    """Two loaded models and the references they were used with."""

    def __init__(self, sovits_path: Path, gpt_path: Path, *, models_dir: str = "", device: str = "auto") -> None:
        """Load a voice.

        Raises:
            CheckpointError: a file is damaged or of another kind.
            ModelMissingError: the family's encoder is not installed.
        """
        self.compute: Compute = choose_compute(device)
        sovits = read_sovits_weights(sovits_path)
        gpt = read_gpt_weights(gpt_path)
        self.family: Family = replace(sovits.family, gpt=gpt.config)
        self.sovits = SovitsModel(self.family.sovits, self.family.audio)
        load_weights(self.sovits, sovits.state_dict, sovits_path, POSTERIOR_PREFIX)
        self.sovits.remove_weight_norm()
        self.gpt = TextToSemantic(gpt.config)
        load_weights(self.gpt, gpt.state_dict, gpt_path)
        for model in (self.sovits, self.gpt):
            model.eval().to(self.compute.device)
        self._encode = content_encoder(self.family, models_dir)
        self._references: dict[tuple[Path, int], _ReferenceFeatures] = {}

    def speak(
        self,
        text: str,
        language: str,
        reference: Reference,
        options: SpeakOptions | None = None,
        progress: Progress | None = None,
    ) -> Speech:
        """Speak a text in the voice of a reference; the same seed gives the same samples on the CPU.

        Args:
            text: any text.
            language: a mode or any name of one.
            reference: 3 to 10 s of the voice; longer ones are cut, shorter ones filled up, with a warning.
            options: defaults if left out.
            progress: told after each piece.

        Raises:
            TextError: nothing in the text can be spoken.
            AudioError: the reference cannot be used.
        """
        options = options or SpeakOptions()
        seed = options.seed if options.seed is not None else int(torch.seed() % 2**32)
        features = self._reference(reference.audio)
        dictionary = dictionary_of(options.readings)
        prompt_ids = self._prompt_ids(reference, dictionary)
        pieces = pieces_for_synthesis(text, language, options.cut_method)
        warnings = list(features.warnings)
        rate_hz = self.family.audio.sample_rate_hz
        sound: list[Samples] = []
        for number, piece in enumerate(pieces):
            if progress is not None:
                progress(number, len(pieces))
            symbols = self.family.sovits.symbols
            ids = ids_of(phones_of(piece, mode_of(language), symbols=symbols, dictionary=dictionary))
            codes, warning = self._codes(ids, prompt_ids, features, options, seed + number)
            if warning:
                warnings.append(f"{piece!r}: {warning}")
            sound += [
                self._wave(codes, ids, features, options, seed + number),
                np.zeros(int(rate_hz * options.pause_s), np.float32),
            ]
        if progress is not None:
            progress(len(pieces), len(pieces))
        whole = np.concatenate(sound)
        return Speech(
            np.clip(whole * 32768.0, -32768, 32767).astype(np.int16), rate_hz, seed, tuple(dict.fromkeys(warnings))
        )

    def _reference(self, path: Path) -> _ReferenceFeatures:
        key = (path, path.stat().st_mtime_ns)
        if key not in self._references:
            self._references = {**self._references, key: self._features(path)}
        return self._references[key]

    def _features(self, path: Path) -> _ReferenceFeatures:
        rate_hz = self.family.audio.sample_rate_hz
        wave = decode(path, rate_hz).samples
        warnings = []
        seconds = len(wave) / rate_hz
        if seconds > LONGEST_REFERENCE_S:
            wave = wave[: int(LONGEST_REFERENCE_S * rate_hz)]
            warnings.append(f"the reference lasts {seconds:.1f} s; only its first {LONGEST_REFERENCE_S:.0f} s are used")
        if seconds < SHORTEST_REFERENCE_S:
            warnings.append(
                f"the reference lasts only {seconds:.1f} s; {SHORTEST_REFERENCE_S:.0f} s and more are better"
            )
        mixed = training_mix(np.clip(wave, -2.0, 2.0))
        heard = resample(mixed, rate_hz, CONTENT_RATE_HZ)
        ssl = self._encode(np.pad(heard, (0, PROMPT_PADDING_SAMPLES))).to(self.compute.device)
        peak = float(np.abs(wave).max(initial=0.0))
        if peak == 0.0:
            raise AudioError(f"the reference {path.name} is silent; choose another one")
        level = wave / min(2.0, peak) if peak > 1 else wave
        magnitudes = spectrogram(torch.from_numpy(level).unsqueeze(0), self.family.audio).to(self.compute.device)
        return _ReferenceFeatures(self.sovits.extract_codes(ssl)[0, 0], magnitudes, tuple(warnings))

    def _prompt_ids(self, reference: Reference, dictionary: Dictionary) -> list[int] | None:
        text = reference.text.replace("\n", " ").strip()
        if not text:
            return None
        mode = mode_of(reference.language)
        closed = text if text[-1] in SENTENCE_MARKS else text + ("." if mode is Mode.EN else "。")
        return ids_of(phones_of(closed, mode, symbols=self.family.sovits.symbols, dictionary=dictionary))

    def _codes(
        self,
        ids: list[int],
        prompt_ids: list[int] | None,
        features: _ReferenceFeatures,
        options: SpeakOptions,
        seed: int,
    ) -> tuple[Tensor, str]:
        """Return codes int64 [N] for one piece and a warning; a piece without codes is tried with other seeds."""
        phones = torch.tensor([*(prompt_ids or ()), *ids], dtype=torch.int64, device=self.compute.device)
        bert = torch.zeros(self.family.gpt.bert_channels, len(phones), device=self.compute.device)
        prompt = features.codes if prompt_ids is not None else None
        limit = max(LEAST_CODE_LIMIT, CODES_PER_PHONE * len(ids))
        generation = GenerationOptions(sampling=options.sampling, early_stop_codes=limit)
        for attempt in range(TRIES):
            generator = torch.Generator(self.compute.device).manual_seed(seed + 7919 * attempt)
            made: Generation = self.gpt.generate(SemanticText(phones, bert), prompt, generation, generator=generator)
            codes = made.codes.clamp(max=self.family.sovits.codebook_size - 1)
            if codes.numel():
                warning = "" if made.ended else "the model did not find the end of the sentence; it was cut"
                return codes, warning
        return features.codes[:1].new_zeros(LEAST_CODE_LIMIT // 4), "the model gave no sound for this piece"

    def _wave(
        self, codes: Tensor, ids: list[int], features: _ReferenceFeatures, options: SpeakOptions, seed: int
    ) -> Samples:
        """Decode one piece: float32 [samples], peak at most 1."""
        generator = torch.Generator(self.compute.device).manual_seed(seed)
        phones = torch.tensor(ids, dtype=torch.int64, device=self.compute.device).unsqueeze(0)
        wave = self.sovits.decode(
            codes.view(1, 1, -1), phones, [features.spectrogram], speed=options.speed, generator=generator
        )
        samples: Samples = wave[0, 0].float().cpu().numpy()
        peak = float(np.abs(samples).max(initial=0.0))
        return samples / peak if peak > 1 else samples
