"""Speaking: a voice, a reference recording, a text → a waveform (rules of the public inference engine).

Codes are generated for several pieces of the text together; the waveform of each piece is made from its own codes
and phones alone, so that sentences do not colour each other. See docs/decisions/0006-rules-of-synthesis.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.batching import pieces_together
from GPT_SoVITS.devices import Compute, choose_compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.joining import at_most_full_scale, to_pcm, with_pause
from GPT_SoVITS.models.semantic_generation import SemanticText
from GPT_SoVITS.reference_features import Reference, ReferenceReader
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.speech_guard import RateBounds
from GPT_SoVITS.spoken_text import SpokenText, TextReader
from GPT_SoVITS.takes import Piece, Take, TakeOptions, best_takes
from GPT_SoVITS.text.cutting import pieces_for_synthesis
from GPT_SoVITS.text.dictionary import Reading, dictionary_of
from GPT_SoVITS.voice_networks import VoiceNetworks, base_networks, trained_networks
from GPT_SoVITS.word_check import TOLERANCE, Listener, wrong_share

__all__ = ["Fragment", "Reference", "SpeakOptions", "Speech", "Voice", "base_voice", "load_voice"]

PAUSE_S = 0.3
BATCH_SIZE = 8
TRIES = 3
_RESPOKEN_SEED = 104_729

Samples = NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Receives pieces done and pieces in all, several times a second; an exception it raises ends the speaking."""


@dataclass(frozen=True, slots=True)
class SpeakOptions:
    """How to speak. `seed` None draws one."""

    cut_method: str = "cut5"
    speed: float = 1.0
    pause_s: float = PAUSE_S
    seed: int | None = None
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    batch_size: int = BATCH_SIZE
    """Pieces whose codes are generated together."""
    bounds: RateBounds = RateBounds()
    tries: int = TRIES
    """How often a piece is tried at most when words seem to be missing or repeated."""
    listener: Listener | None = None
    """Recognises each piece, which is then spoken again if the words differ too much; None does not listen."""
    readings: tuple[Reading, ...] = ()
    """Words of the user's dictionaries."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One spoken piece with the pause after it: int16 [samples]."""

    place: int
    pieces: int
    samples: NDArray[np.int16]
    rate_hz: int
    seed: int
    """Seed of the whole speech."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken sound, int16 [samples], with what the listener should know."""

    samples: NDArray[np.int16]
    rate_hz: int
    seed: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A request with everything that is the same for all of its pieces."""

    lines: tuple[str, ...]
    texts: tuple[SpokenText, ...]
    language: str
    transcript: SpokenText | None
    prompt: Tensor | None
    style: Tensor
    options: SpeakOptions
    seed: int
    warnings: tuple[str, ...]


class Voice:
    """The networks of a voice, and the references and texts that it was used with."""

    def __init__(self, networks: VoiceNetworks, *, models_dir: str = "", device: str = "auto") -> None:
        """Take over networks and make them ready to speak."""
        self.compute: Compute = choose_compute(device)
        self.family: Family = networks.family
        self.sovits, self.gpt = networks.sovits, networks.gpt
        self.bytes = networks.bytes
        networks.prepare(self.compute.device)
        self._caveats = (networks.caveat,) if networks.caveat else ()
        self._references = ReferenceReader(self.family, self.sovits, models_dir, self.compute.device)
        self._texts = TextReader(self.family, models_dir, self.compute.device)

    @property
    def encoded(self) -> int:
        """How many recordings and pieces of text were encoded so far; a repeated request adds none."""
        return self._references.encoded + self._texts.encoded

    def speak(
        self,
        text: str,
        language: str,
        reference: Reference,
        options: SpeakOptions | None = None,
        progress: Progress | None = None,
    ) -> Speech:
        """Speak a text in the voice of a reference; the same seed gives the same samples on the same machine.

        Args:
            text: any text.
            language: a mode or any name of one.
            reference: 3 to 10 s of the voice; longer ones are cut and shorter ones used with a warning.
            options: defaults if left out.
            progress: told how far it is.

        Raises:
            TextError: nothing in the text can be spoken.
            AudioError: the reference cannot be used.
            ModelMissingError: an encoder of the family is not installed.
        """
        plan = self._plan(text, language, reference, options or SpeakOptions())
        lengths = [each.characters for each in plan.texts]
        even = plan.options.speed == 1.0
        batches = pieces_together(lengths, plan.options.batch_size, by_length=even)
        fragments = sorted(self._fragments(plan, batches, progress), key=lambda fragment: fragment.place)
        return Speech(
            np.concatenate([fragment.samples for fragment in fragments]),
            self.family.audio.sample_rate_hz,
            plan.seed,
            tuple(dict.fromkeys(warning for fragment in fragments for warning in fragment.warnings)),
        )

    def stream(
        self,
        text: str,
        language: str,
        reference: Reference,
        options: SpeakOptions | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Fragment]:
        """Yield the pieces of a text in order, each as soon as it is spoken; see `speak`.

        The first piece is made alone, so that it comes soon; then more and more of them together.
        """
        plan = self._plan(text, language, reference, options or SpeakOptions())
        yield from self._fragments(plan, _growing_batches(len(plan.lines), plan.options.batch_size), progress)

    def _plan(self, text: str, language: str, reference: Reference, options: SpeakOptions) -> _Plan:
        lines = pieces_for_synthesis(text, language, options.cut_method)
        dictionary = dictionary_of(options.readings)
        transcript = None
        if not self.family.gpt.is_aligned:
            transcript = self._texts.transcript(reference.text, reference.language, dictionary)
        timbre = self._references.timbre(reference)
        return _Plan(
            lines=tuple(lines),
            texts=tuple(self._texts.read(line, language, dictionary) for line in lines),
            language=language,
            transcript=transcript,
            prompt=self._references.prompt(reference.audio) if transcript is not None else None,
            style=timbre.style,
            options=options,
            seed=options.seed if options.seed is not None else int(torch.seed() % 2**32),
            warnings=(*self._caveats, *timbre.warnings),
        )

    def _fragments(
        self, plan: _Plan, batches: Sequence[Sequence[int]], progress: Progress | None
    ) -> Iterator[Fragment]:
        """Yield the pieces of each batch, in the order in which the batches name them."""
        done, total = 0, len(plan.lines)

        def report(_steps: int = 0) -> None:
            if progress is not None:
                progress(done, total)

        for batch in batches:
            report()
            takes = self._takes(plan, batch, 0, report)
            for place, take in zip(batch, takes, strict=True):
                samples, fault = self._spoken(plan, place, take, report)
                done += 1
                warnings = (*plan.warnings, f"{plan.lines[place]!r}: {fault}") if fault else plan.warnings
                rate_hz = self.family.audio.sample_rate_hz
                pcm = to_pcm(with_pause(samples, plan.options.pause_s, rate_hz))
                yield Fragment(place, total, pcm, rate_hz, plan.seed, warnings)
        report()

    def _takes(self, plan: _Plan, places: Sequence[int], seed_offset: int, report: Callable[[int], None]) -> list[Take]:
        device, options = self.compute.device, plan.options
        pieces = []
        for place in places:
            parts = [text for text in (plan.transcript, plan.texts[place]) if text is not None]
            phones = torch.cat([part.phones for part in parts]).to(device)
            bert = torch.cat([part.bert for part in parts], dim=1).to(device)
            own_phones = len(plan.texts[place].phones)
            pieces.append(Piece(SemanticText(phones, bert), own_phones, plan.seed + place + seed_offset))
        take_options = TakeOptions(options.sampling, options.bounds, options.tries)
        return best_takes(self.gpt, pieces, plan.prompt, take_options, report)

    def _spoken(self, plan: _Plan, place: int, take: Take, report: Callable[[int], None]) -> tuple[Samples, str]:
        """Return the sound of a piece, float32 [samples], and what is wrong with it, if anything."""
        samples = self._wave(plan, place, take)
        listener = plan.options.listener
        if listener is None:
            return samples, take.verdict.fault
        best, fault = samples, take.verdict.fault
        least = self._wrong_share(plan, place, samples, listener)
        for attempt in range(1, plan.options.tries):
            if least <= TOLERANCE:
                break
            (again,) = self._takes(plan, [place], _RESPOKEN_SEED * attempt, report)
            samples = self._wave(plan, place, again)
            share = self._wrong_share(plan, place, samples, listener)
            if share < least:
                best, fault, least = samples, again.verdict.fault, share
        if least > TOLERANCE:
            fault = fault or f"the recogniser hears other words in it ({least:.0%} of the sounds differ)"
        return best, fault

    def _wrong_share(self, plan: _Plan, place: int, samples: Samples, listener: Listener) -> float:
        heard = listener(samples, self.family.audio.sample_rate_hz, plan.texts[place].language)
        return wrong_share(plan.lines[place], heard, plan.language)

    def _wave(self, plan: _Plan, place: int, take: Take) -> Samples:
        """Decode one piece: float32 [samples], peak at most 1."""
        if not take.codes.numel():
            return np.zeros(self.family.audio.sample_rate_hz, np.float32)  # a second of silence
        device = self.compute.device
        made = self.sovits.decode_chunk(
            take.codes.clamp(max=self.family.sovits.codebook_size - 1).view(1, 1, -1),
            plan.texts[place].phones.unsqueeze(0).to(device),
            plan.style,
            places=None if take.places is None else take.places.unsqueeze(0),
            speed=plan.options.speed,
            generator=torch.Generator().manual_seed(plan.seed + place),
        )
        return at_most_full_scale(made.wave[0, 0].float().cpu().numpy())


def load_voice(sovits_path: Path, gpt_path: Path, *, models_dir: str = "", device: str = "auto") -> Voice:
    """Load a trained voice.

    Raises:
        CheckpointError: a file is damaged or of another kind.
    """
    return Voice(trained_networks(sovits_path, gpt_path), models_dir=models_dir, device=device)


def base_voice(family: Family, *, models_dir: str = "", device: str = "auto") -> Voice:
    """Load the base of a family, which speaks in the voice of any reference, and says so in its warnings.

    Raises:
        ModelMissingError: the base is not installed.
        CheckpointError: it cannot be used.
    """
    return Voice(base_networks(family, models_dir), models_dir=models_dir, device=device)


def _growing_batches(pieces: int, largest: int) -> list[list[int]]:
    """Return places in order, one alone, then two, then four together, up to `largest`."""
    batches = []
    start, size = 0, 1
    while start < pieces:
        batches.append(list(range(start, min(start + size, pieces))))
        start, size = start + size, min(2 * size, largest)
    return batches
