"""Versions of a voice on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from api.schemas import Answer, Body
from api.schemas_jobs import Curve


class VoiceInfo(Answer):
    """A version of a character's voice. Paths are relative to the work directory."""

    voice_id: int
    character_name: str
    active: Annotated[bool, Meta(description="whether it is the one that speaks")]
    created_at: datetime
    job_id: int | None
    family: str
    trained_from: Annotated[str, Meta(description="the base; from `random weights` no usable voice comes")]
    input_hash: Annotated[str, Meta(description="the same for the same recordings, transcripts and settings")]
    config: Annotated[dict[str, Any], Meta(description="the settings that it was trained with")]
    metrics: dict[str, Any]
    note: str
    sovits_model_path: str
    gpt_model_path: str
    on_disk: bool


class VoicePage(Answer):
    """The versions of a character, the newest first."""

    voices: list[VoiceInfo]


class VoiceNote(Body):
    """What a person writes about a version."""

    note: Annotated[str, Meta(max_length=2000)]


class VoiceCurves(Answer):
    """How the trainings of a version went."""

    voice_id: int
    curves: list[Curve]
