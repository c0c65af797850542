"""How good a character's recordings are for training a voice: what is kept, what is lost and why, and what would help.

Computed from what the steps recorded; nothing is read again. Recordings that were cut by a version that did not
measure clips get their measures when they are processed again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from sqlmodel import Session

from daemon import clips as clip_list
from daemon import data_speakers, recordings, staleness
from daemon.clips import CLIP_RATE_HZ, Clip, ClipState
from daemon.settings import Settings
from daemon.tables import AudioFile, Character
from pipeline.plan import ArtifactIndex
from pipeline.steps import StepName

LENGTH_EDGES_S = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0)
"""Where the bars of the histogram of clip lengths begin; the last one has no end."""
UNSURE_BELOW = 0.4
NO_SPEAKER_MEASURE = (
    "at least three clips of 2 s are needed; recordings cut by an older version are measured when they are cut again"
)
SPEAKER_SHORTEST_S = 2.0
"""Shorter clips tell too little of who speaks."""
BETWEEN_CLIPS = "silence between the clips"
NOT_PROCESSED = "not processed yet"


@dataclass(frozen=True, slots=True)
class Loss:
    """Sound that is not trained on, for one reason."""

    reason: str
    items: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the histogram of clip lengths: from `start_s` up to `end_s` (None: without end)."""

    start_s: float
    end_s: float | None
    clips: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Values over the kept clips."""

    lowest: float
    median: float
    highest: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a character's data."""

    character: str
    recordings: int
    recorded_s: float
    clips: int
    kept_clips: int
    kept_s: float
    losses: tuple[Loss, ...]
    lengths: tuple[Bar, ...]
    snr_db: Spread | None
    """Speech over noise; None where nothing was measured yet."""
    clipped_clips: int
    languages: Mapping[str, float]
    """Seconds of kept clips by language."""
    confidence: float | None
    """Mean over the recognised clips, 0 to 1."""
    unsure_clips: int
    edited_clips: int
    reference_clips: int
    """Clips of 3 to 10 s with a transcript: what a sentence can take its voice from."""
    speaker_consistency: float | None
    """How alike the clips sound, 0 to 1; None where too few were measured."""
    speaker_consistency_note: str
    stranger_clips: tuple[str, ...]
    """Clips that do not sound like the others, the strangest first."""
    advice: tuple[str, ...] = ()


def of_character(session: Session, settings: Settings, character: Character) -> Report:
    """Return the report of a character, with its advice."""
    from daemon.data_advice import advice

    files = recordings.listing(session, character)
    found = clip_list.of_character(session, settings, character)
    artifacts = staleness.inputs_of(session, settings, character).artifacts
    kept = [clip for clip in found if clip.state is ClipState.KEPT or (clip.state is ClipState.WAITING and clip.text)]
    sure = [clip.confidence for clip in kept if clip.confidence is not None]
    speakers = data_speakers.compare(_speaker_marks(kept, artifacts))
    ratios = [clip.measures["snr_db"] for clip in kept if "snr_db" in clip.measures]
    facts = Report(
        character=character.name,
        recordings=len(files),
        recorded_s=round(sum(row.duration_s or 0.0 for row in files), 2),
        clips=len(found),
        kept_clips=len(kept),
        kept_s=_seconds(kept),
        losses=_losses(files, found, kept, artifacts),
        lengths=_lengths(kept),
        snr_db=Spread(min(ratios), median(ratios), max(ratios)) if ratios else None,
        clipped_clips=sum(1 for clip in kept if clip.measures.get("clipped", 0.0) > 0),
        languages=_languages(kept),
        confidence=round(fmean(sure), 4) if sure else None,
        unsure_clips=sum(1 for value in sure if value < UNSURE_BELOW),
        edited_clips=sum(1 for clip in found if clip.edited),
        reference_clips=sum(1 for clip in kept if clip.text and 3.0 <= clip.duration_s <= 10.0),
        speaker_consistency=speakers.consistency if speakers is not None else None,
        speaker_consistency_note="" if speakers is not None else NO_SPEAKER_MEASURE,
        stranger_clips=speakers.strangers if speakers is not None else (),
    )
    return advice(facts, str(character.config.get("language") or "auto"))


def sort_of(reason: str) -> str:
    """Return a reason without what differs from item to item: numbers, quotations, what stands in brackets."""
    short = re.split(r"[:(;]", reason, maxsplit=1)[0]
    return re.sub(r"\s+", " ", re.sub(r"'[^']*'|\d+(\.\d+)?", "…", short)).strip() or reason


def _seconds(clips: Iterable[Clip]) -> float:
    return round(sum(clip.duration_s for clip in clips), 2)


def _speaker_marks(clips: Iterable[Clip], artifacts: ArtifactIndex) -> dict[str, str]:
    marks = {}
    for clip in clips:
        cut = artifacts.get((StepName.SLICE_AUDIO, clip.recording))
        if cut is not None and clip.duration_s >= SPEAKER_SHORTEST_S:
            marks[clip.name] = str(cut.detail.get("speakers", {}).get(clip.name, ""))
    return marks


def _losses(
    files: Sequence[AudioFile], found: Sequence[Clip], kept: Sequence[Clip], artifacts: ArtifactIndex
) -> tuple[Loss, ...]:
    """Return what is lost by reason, the greatest first: whole recordings, pieces, clips, and the silence between."""
    items: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)

    def lose(reason: str, length_s: float) -> None:
        items[sort_of(reason)] += 1
        seconds[sort_of(reason)] += length_s

    names = {clip.name for clip in kept}
    for clip in found:
        if clip.name not in names:
            lose(clip.reason or NOT_PROCESSED, clip.duration_s)
    clips_s: Counter[str] = Counter()
    for clip in found:
        clips_s[clip.recording] += clip.duration_s  # type: ignore[assignment]
    for row in files:
        left_s = (row.duration_s or 0.0) - clips_s[row.filename]
        for reason, length_s in _of_recording(row, artifacts):
            lose(reason, left_s if length_s is None else length_s)
            left_s -= left_s if length_s is None else length_s
        if left_s > 0.05:
            lose(BETWEEN_CLIPS, left_s)
    ordered = sorted(items, key=lambda reason: -seconds[reason])
    return tuple(Loss(reason, items[reason], round(seconds[reason], 2)) for reason in ordered)


def _of_recording(row: AudioFile, artifacts: ArtifactIndex) -> Iterable[tuple[str, float | None]]:
    """Yield why parts of a recording became no clips, with their seconds; None: all that is left of it."""
    converted = artifacts.get((StepName.CONVERT_AUDIO, row.filename))
    sliced = artifacts.get((StepName.SLICE_AUDIO, row.filename))
    if converted is not None and converted.dropped:
        yield converted.dropped, None
    elif converted is None or sliced is None:
        yield NOT_PROCESSED, None
    elif sliced.dropped:
        yield sliced.dropped, None
    else:
        for piece in sliced.detail.get("dropped_clips", ()):
            yield str(piece["reason"]), (piece["end"] - piece["start"]) / CLIP_RATE_HZ


def _lengths(clips: Sequence[Clip]) -> tuple[Bar, ...]:
    bars = []
    for start, end in zip(LENGTH_EDGES_S, (*LENGTH_EDGES_S[1:], None), strict=True):
        inside = [clip for clip in clips if start <= clip.duration_s and (end is None or clip.duration_s < end)]
        bars.append(Bar(start, end, len(inside), _seconds(inside)))
    return tuple(bars)


def _languages(clips: Sequence[Clip]) -> dict[str, float]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for clip in clips:
        seconds[clip.language or "unknown"] += clip.duration_s
    return {language: round(seconds[language], 2) for language in sorted(seconds, key=lambda each: -seconds[each])}
