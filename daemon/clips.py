"""The clips of a character as people see them: what was cut, what is said in it, what became of it and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlmodel import Session

from daemon import staleness, transcript_edits
from daemon.errors import NotFoundError
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Character, TranscriptEdit
from daemon.transcript_edits import Before
from pipeline import plan
from pipeline.steps import StepName

CLIP_RATE_HZ = 32_000
"""Clip names count samples of the converted audio, which all families want at this rate."""


class ClipState(StrEnum):
    """What becomes of a clip."""

    KEPT = "kept"
    """It has a transcript and is trained on."""
    DROPPED = "dropped"
    """It cannot be used; `reason` says why."""
    EXCLUDED = "excluded"
    """A person left it out."""
    WAITING = "waiting"
    """Its transcript is made by the next processing."""


class Variant(StrEnum):
    """The two forms of a clip on the disk."""

    SLICED = "sliced"
    DENOISED = "denoised"


class Order(StrEnum):
    """How clips can be listed."""

    NAME = "name"
    CONFIDENCE = "confidence"
    """The least certain first; those that a person wrote come last."""
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of a present recording."""

    name: str
    recording: str
    start_s: float
    duration_s: float
    state: ClipState
    reason: str | None
    text: str | None
    """What counts from now on: the edit, or else what was recognised or given with the recording."""
    language: str | None
    source: str | None
    """asr, given (with the recording) or edited."""
    scores: Mapping[str, float]
    before: Before
    """The transcript without the edit, as far as that is known."""
    edited: bool
    stale: bool
    """Whether the next processing still has to bring the edit into the training data."""
    measures: Mapping[str, float]
    denoised: bool

    @property
    def confidence(self) -> float | None:
        """How sure the recogniser was, 0 to 1 (geometric mean of the words' probabilities); None for given texts."""
        mean = self.scores.get("average_log_probability") if self.source == "asr" else None
        return round(math.exp(min(0.0, mean)), 4) if mean is not None else None


def of_character(session: Session, settings: Settings, character: Character) -> list[Clip]:
    """Return all clips of the present recordings, by name."""
    inputs = staleness.inputs_of(session, settings, character)
    edits = transcript_edits.of_character(session, character)
    planned = {item.name: item for item in plan.plan_step(StepName.ASR_TRANSCRIBE, inputs).items}
    found = []
    for cut in _cuts(inputs):
        item = planned.get(cut.name)
        made = inputs.artifacts.get((StepName.ASR_TRANSCRIBE, cut.name))
        fresh = made is not None and item is not None and made.input_hash == item.input_hash
        detail = made.detail if made is not None else {}
        found.append(_clip(cut, detail, edits.get(cut.name), fresh))
    return sorted(found, key=lambda clip: clip.name)


def get(session: Session, settings: Settings, character: Character, name: str) -> Clip:
    """Return one clip.

    Raises:
        NotFoundError: there is none of this name.
    """
    clip = next((clip for clip in of_character(session, settings, character) if clip.name == name), None)
    if clip is None:
        raise NotFoundError(f"character {character.name!r} has no clip {name!r}")
    return clip


def ordered(clips: Sequence[Clip], order: Order) -> list[Clip]:
    """Return clips in an order."""
    if order is Order.CONFIDENCE:
        return sorted(clips, key=lambda clip: (clip.confidence is None, clip.confidence or 0.0, clip.name))
    if order is Order.DURATION:
        return sorted(clips, key=lambda clip: (clip.duration_s, clip.name))
    return list(clips)


def audio_path(layout: Layout, character: str, clip: str, variant: Variant | None) -> Path:
    """Return the file of a clip; without a variant the denoised one where there is one.

    Raises:
        NotFoundError: it is not on the disk.
    """
    root = layout.character(character)
    for each in (variant,) if variant is not None else (Variant.DENOISED, Variant.SLICED):
        path = root / f"{each}_audio" / clip
        if path.is_file() and not path.is_symlink():
            return path
    raise NotFoundError(f"clip {clip!r} of {character!r} is not on the disk{f' as {variant}' if variant else ''}")


def span_of(clip: str) -> tuple[int, int]:
    """Return the first and last sample of a clip in its converted recording, from its name."""
    parts = clip.removesuffix(".wav").rsplit("_", 2)
    try:
        return int(parts[-2]), int(parts[-1])
    except (IndexError, ValueError):
        return 0, 0


@dataclass(frozen=True, slots=True)
class _Cut:
    """A clip as slicing made it, and what later steps say of it."""

    name: str
    recording: str
    given: Before
    """The transcript that came with the recording."""
    measures: Mapping[str, float]
    dropped_later: str | None
    denoised: bool


def _cuts(inputs: plan.Inputs) -> Iterator[_Cut]:
    """Yield the clips of the present recordings."""
    for recording in inputs.recordings:
        made = inputs.artifacts.get((StepName.SLICE_AUDIO, recording.name))
        if made is None:
            continue
        names = [feed.name for feed in plan.clips_of(made)]
        given = Before(recording.text, recording.language) if len(names) == 1 else Before()
        measures = made.detail.get("measures", {})
        for name in names:
            denoised = inputs.artifacts.get((StepName.DENOISE_AUDIO, name))
            later = _dropped_later(name, inputs)
            is_denoised = denoised is not None and not denoised.dropped
            yield _Cut(name, recording.name, given, measures.get(name, {}), later, is_denoised)


def _dropped_later(name: str, inputs: plan.Inputs) -> str | None:
    """Return why a step beside or after the transcription dropped a clip, if one did."""
    for step in (StepName.DENOISE_AUDIO, StepName.EXTRACT_TEXT_FEATURES, StepName.EXTRACT_AUDIO_FEATURES):
        made = inputs.artifacts.get((step, name))
        if made is not None and made.dropped:
            return made.dropped
    return None


def _clip(cut: _Cut, detail: Mapping[str, Any], edit: TranscriptEdit | None, fresh: bool) -> Clip:
    heard = detail.get("unedited") or (detail if detail.get("source") == "asr" else {})
    before = cut.given if cut.given.text is not None else transcript_edits.unedited(detail)
    wanted = transcript_edits.present(edit)
    source = "given" if cut.given.text is not None else heard.get("source")
    state, reason = _state(edit, detail, cut.dropped_later, fresh)
    start, end = span_of(cut.name)
    return Clip(
        name=cut.name,
        recording=cut.recording,
        start_s=start / CLIP_RATE_HZ,
        duration_s=(end - start) / CLIP_RATE_HZ,
        state=state,
        reason=reason,
        text=wanted.text if wanted.text is not None else before.text,
        language=wanted.language or before.language or detail.get("language"),
        source="edited" if wanted.text is not None else source,
        scores=heard.get("scores") or {},
        before=before,
        edited=edit is not None,
        stale=not fresh,
        measures=cut.measures,
        denoised=cut.denoised,
    )


def _state(
    edit: TranscriptEdit | None, detail: Mapping[str, Any], later: str | None, fresh: bool
) -> tuple[ClipState, str | None]:
    if edit is not None and edit.excluded:
        return ClipState.EXCLUDED, "excluded by a person"
    if not fresh:
        return ClipState.WAITING, None
    reason = detail.get("dropped") or later
    return (ClipState.DROPPED, str(reason)) if reason else (ClipState.KEPT, None)


def listable(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips that belong into a list file: those with a text that nobody left out."""
    left_out = (ClipState.EXCLUDED, ClipState.DROPPED)
    return [clip for clip in clips if clip.text and clip.state not in left_out]
