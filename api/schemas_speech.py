"""What goes over the wire about speaking with options, in batches and as a stream."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.schemas import Answer, Body
from daemon.speech_options import MAX_SEED, MOST_REFERENCES, SoundFormat, SpeechOptions
from daemon.tables import Status

_DEFAULT = SpeechOptions()


class OptionsBody(Body):
    """How to speak; every field may be left out."""

    cut_method: Annotated[str, Meta(pattern="^cut[0-5]$", description="cut0 does not divide the text")] = (
        _DEFAULT.cut_method
    )
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] = _DEFAULT.speed
    pause_s: Annotated[float, Meta(ge=0.0, le=5.0, description="silence after each piece")] = _DEFAULT.pause_s
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="the same seed gives the same sound")] | None = None
    top_k: Annotated[int, Meta(ge=1, le=1025)] = _DEFAULT.top_k
    top_p: Annotated[float, Meta(ge=0.01, le=1.0)] = _DEFAULT.top_p
    temperature: Annotated[float, Meta(ge=0.01, le=2.0)] = _DEFAULT.temperature
    repetition_penalty: Annotated[float, Meta(ge=1.0, le=3.0)] = _DEFAULT.repetition_penalty
    batch_size: Annotated[int, Meta(ge=1, le=64, description="pieces spoken together")] = _DEFAULT.batch_size
    other_references: Annotated[
        list[str], Meta(max_length=MOST_REFERENCES, description="more recordings whose timbres are averaged")
    ] = []
    verify_words: Annotated[bool, Meta(description="listen to each piece, speak it again if words differ")] = False

    def options(self) -> SpeechOptions:
        """Return the options of a request."""
        fields = msgspec.structs.asdict(self)
        chosen = {name: fields[name] for name in SpeechOptions.__dataclass_fields__}
        return SpeechOptions(**{**chosen, "other_references": tuple(self.other_references)})


class InferenceBody(OptionsBody, kw_only=True):
    """A sentence to speak."""

    target_text: str
    character_name: Annotated[str | None, Meta(description="left out: the default character")] = None
    ref_audio: Annotated[str | None, Meta(description="left out: the best clip is chosen")] = None
    ref_text: Annotated[str | None, Meta(description="left out: the transcript of the reference, where known")] = None
    ref_language: str | None = "中文"
    target_language: str | None = "中文"
    output_name: str | None = None
    voice_version: Annotated[
        int | None, Meta(description="number of a version of the voice; left out: the active one")
    ] = None


class BatchBody(OptionsBody):
    """Many texts to speak: exactly one of `texts`, `text_file` and `subtitles`."""

    texts: Annotated[list[str], Meta(max_length=1000)] | None = None
    text_file: Annotated[str, Meta(description="the content of a text file, one text a line")] | None = None
    subtitles: Annotated[str, Meta(description="the content of an SRT file; a common track is made, too")] | None = None
    character_name: Annotated[str | None, Meta(description="left out: the default character")] = None
    ref_audio: str | None = None
    ref_text: str | None = None
    ref_language: str | None = "中文"
    target_language: str | None = "中文"
    voice_version: Annotated[int, Meta(ge=1)] | None = None
    format: Annotated[SoundFormat, Meta(description="of the sounds in the archive")] = SoundFormat.WAV


class BatchItemInfo(Answer):
    """One text of a batch."""

    inference_id: str
    name: str
    text: str
    status: Status
    error_message: str | None


class BatchInfo(Answer):
    """A batch and how far it is."""

    batch_id: str
    character_name: str
    status: Status
    format: SoundFormat
    created_at: datetime
    done: int
    failed: int
    total: int


class BatchDetail(BatchInfo):
    """A batch with its texts."""

    items: list[BatchItemInfo]


class SoundState(msgspec.Struct, frozen=True):
    """How much of a sentence can be heard; kept for all who listen, as long as the database stays as it is."""

    status: Status
    error: str | None
    output_path: str | None
    detail: dict[str, Any]
