"""Clips and transcripts on the wire."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from api.schemas import Answer, Body
from daemon.clips import ClipState

Language = Annotated[str, Meta(description="zh, en, ja, ko or yue", pattern="^(zh|en|ja|ko|yue)$")]


class ClipInfo(Answer):
    """A clip and its transcript."""

    clip: str
    recording: str
    start: Annotated[float, Meta(description="seconds from the beginning of the recording")]
    duration: Annotated[float, Meta(description="seconds")]
    state: Annotated[ClipState, Meta(description="waiting: the next processing brings the edit in")]
    reason: Annotated[str | None, Meta(description="why it is not used")]
    text: str | None
    language: str | None
    source: Annotated[str | None, Meta(description="asr, given (with the recording) or edited")]
    confidence: Annotated[float | None, Meta(description="0 to 1 for recognised texts")]
    scores: Annotated[dict[str, float], Meta(description="of the recogniser")]
    unedited_text: Annotated[str | None, Meta(description="what DELETE goes back to, where it is known")]
    unedited_language: str | None
    edited: bool
    stale: Annotated[bool, Meta(description="whether processing has to run before it is trained on as shown")]
    denoised: bool


class ClipPage(Answer):
    """Some of the clips of a character."""

    total: Annotated[int, Meta(description="of all that were asked for")]
    clips: list[ClipInfo]


class ClipEdit(Body):
    """What a clip's transcript shall be; what is left out stays as it is, null goes back to the unedited."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)] | None | UnsetType = UNSET
    language: Language | None | UnsetType = UNSET
    excluded: bool | UnsetType = UNSET


class ListImported(Answer):
    """What became of the lines of a list file."""

    changed: int
    unchanged: int
    unknown: Annotated[list[str], Meta(description="neither clips nor recordings of this character")]
    problems: list[str]
