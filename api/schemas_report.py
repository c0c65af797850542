"""The data report on the wire."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.schemas import Answer

Seconds = Annotated[float, Meta(description="seconds")]


class LossInfo(Answer):
    """Sound that is not trained on, for one reason."""

    reason: str
    items: int
    seconds: Seconds


class LengthBar(Answer):
    """Clips of some length."""

    start: Seconds
    end: Annotated[float | None, Meta(description="seconds; null: without end")]
    clips: int
    seconds: Seconds


class SpreadInfo(Answer):
    """Values over the kept clips."""

    lowest: float
    median: float
    highest: float


class DataReport(Answer):
    """How good a character's recordings are for training a voice."""

    character_name: str
    recordings: int
    recorded_seconds: Seconds
    clips: int
    kept_clips: int
    kept_seconds: Seconds
    losses: Annotated[list[LossInfo], Meta(description="the greatest first")]
    clip_lengths: list[LengthBar]
    snr_db: Annotated[SpreadInfo | None, Meta(description="speech over noise; null: not measured yet")]
    clipped_clips: int
    languages: Annotated[dict[str, float], Meta(description="seconds by language")]
    transcript_confidence: Annotated[float | None, Meta(description="mean over recognised clips, 0 to 1")]
    unsure_clips: int
    edited_clips: int
    reference_clips: Annotated[int, Meta(description="clips of 3 to 10 s with a transcript")]
    speaker_consistency: Annotated[
        float | None, Meta(description="how alike the clips sound, mean of all pairs, 0 to 1; null: see the note")
    ]
    speaker_consistency_note: str
    stranger_clips: Annotated[list[str], Meta(description="clips that do not sound like the others")]
    advice: Annotated[list[str], Meta(description="plain sentences")]
