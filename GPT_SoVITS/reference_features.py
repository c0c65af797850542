"""The voice to speak with: prompt codes and timbre of reference recordings, made once for the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import Waveform, decode, resample
from GPT_SoVITS.content import CONTENT_RATE_HZ, content_encoder
from GPT_SoVITS.dataset import training_mix
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family, FamilyName
from GPT_SoVITS.least_recent import LeastRecentlyUsed
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.resampling import sinc_resample
from GPT_SoVITS.speaker import speaker_encoder, speaker_wave
from GPT_SoVITS.text.languages import Mode

SHORTEST_S = 3.0
LONGEST_S = 10.0
PADDING_SAMPLES = 9_600
"""Silence after the prompt, at 16 kHz: 0.6 s, as the public engine has it."""
LOUDEST_PEAK = 2.0
_KEPT_RECORDINGS = 64
_KEPT_HASHES = 1024

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reference:
    """Whose voice, and what is said in it. Without a text the voice is taken from the sound alone."""

    audio: Path
    text: str = ""
    language: str = Mode.AUTO
    others: tuple[Path, ...] = ()
    """More recordings of the voice: the timbre is the average over all, the prompt is `audio` alone."""


@dataclass(frozen=True, slots=True)
class Timbre:
    """How one recording sounds, [1, gin, 1], and what is not ideal about it."""

    style: Tensor
    warnings: tuple[str, ...]


class ReferenceReader:
    """Makes and keeps the features of references for one voice; `encoded` counts the recordings that were encoded."""

    def __init__(self, family: Family, sovits: SovitsModel, models_dir: str, device: torch.device) -> None:
        self.encoded = 0
        self._family, self._sovits, self._models_dir, self._device = family, sovits, models_dir, device
        self._hashes: LeastRecentlyUsed[tuple[Path, int, int], str] = LeastRecentlyUsed(_KEPT_HASHES)
        self._prompts: LeastRecentlyUsed[str, Tensor] = LeastRecentlyUsed(_KEPT_RECORDINGS)
        self._timbres: LeastRecentlyUsed[str, Timbre] = LeastRecentlyUsed(_KEPT_RECORDINGS)

    def prompt(self, path: Path) -> Tensor:
        """Return the codes of a recording, int64 [T], which the text-to-semantic model continues.

        Raises:
            AudioError: it holds no usable sound.
            OSError: it cannot be read.
        """
        return self._prompts.get(self._hash(path), lambda: self._codes(path))

    def timbre(self, reference: Reference) -> Timbre:
        """Return the average timbre of a reference's recordings; of each, only the first 10 s count.

        Raises:
            AudioError: one holds no usable sound.
            OSError: one cannot be read.
        """
        each = [self._timbre_of(path) for path in (reference.audio, *reference.others)]
        style = torch.stack([timbre.style for timbre in each]).mean(dim=0)
        return Timbre(style, tuple(dict.fromkeys(warning for timbre in each for warning in timbre.warnings)))

    def _timbre_of(self, path: Path) -> Timbre:
        return self._timbres.get(self._hash(path), lambda: self._make_timbre(path))

    def _hash(self, path: Path) -> str:
        status = path.stat()
        return self._hashes.get((path, status.st_size, status.st_mtime_ns), lambda: _sha256(path))

    def _codes(self, path: Path) -> Tensor:
        self.encoded += 1
        encode = content_encoder(self._family, self._models_dir, str(self._device))
        heard = np.pad(self._heard(_first_seconds(decode(path)), path), (0, PADDING_SAMPLES))
        with torch.inference_mode():
            return self._sovits.extract_codes(encode([heard])[0].to(self._device))[0, 0]

    def _heard(self, wave: Waveform, path: Path) -> Samples:
        """Return what the content encoder hears, at 16 kHz: for nano the levels of its training, else the file's."""
        _refuse_silence(wave.samples, path)
        if self._family.name is FamilyName.NANO:
            rate_hz = self._family.audio.sample_rate_hz
            level = np.clip(resample(wave.samples, wave.rate_hz, rate_hz), -LOUDEST_PEAK, LOUDEST_PEAK)
            return resample(training_mix(level), rate_hz, CONTENT_RATE_HZ)
        return resample(wave.samples, wave.rate_hz, CONTENT_RATE_HZ)

    def _make_timbre(self, path: Path) -> Timbre:
        """Make the timbre of one recording; the Pro families hear the speaker in the same wave."""
        self.encoded += 1
        rate_hz = self._family.audio.sample_rate_hz
        whole = decode(path)
        wave = _first_seconds(whole)
        samples = sinc_resample(wave.samples, wave.rate_hz, rate_hz)
        peak = _refuse_silence(samples, path)
        if self._family.sovits.is_direct:
            samples = training_mix(np.clip(samples, -LOUDEST_PEAK, LOUDEST_PEAK))
        elif peak > 1:
            samples = samples / np.float32(min(LOUDEST_PEAK, peak))
        encoder = speaker_encoder(self._family, self._models_dir, str(self._device))
        vectors = None if encoder is None else [encoder.embed([speaker_wave(samples, rate_hz)])[0].to(self._device)]
        magnitudes = spectrogram(torch.from_numpy(samples).unsqueeze(0), self._family.audio).to(self._device)
        with torch.inference_mode():
            return Timbre(self._sovits.mean_style([magnitudes], vectors), _remarks(whole.duration_s))


def _remarks(seconds: float) -> tuple[str, ...]:
    """Return what is not ideal about the length of a reference."""
    if seconds > LONGEST_S:
        return (f"the reference lasts {seconds:.1f} s; only its first {LONGEST_S:.0f} s are used",)
    if seconds < SHORTEST_S:
        return (f"the reference lasts only {seconds:.1f} s; {SHORTEST_S:.0f} s and more are better",)
    return ()


def _first_seconds(wave: Waveform) -> Waveform:
    return Waveform(wave.samples[: int(LONGEST_S * wave.rate_hz)], wave.rate_hz)


def _refuse_silence(samples: Samples, path: Path) -> float:
    """Return the peak of a recording.

    Raises:
        AudioError: it is zero.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        raise AudioError(f"the reference {path.name} is silent; choose another one")
    return peak


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
