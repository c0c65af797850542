"""What goes over the wire on the routes that speak the public speech API's language. Field names are that API's."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from api.schemas import Answer, Body
from daemon.speech_options import SoundFormat

MAX_INPUT_CHARACTERS = 4096


class StreamFormat(StrEnum):
    """How the sound is sent."""

    AUDIO = "audio"
    SSE = "sse"


class VoiceReference(Body):
    """A voice by its id."""

    id: str


class SpeechBody(Body):
    """A text to speak."""

    model: str
    input: Annotated[str, Meta(max_length=MAX_INPUT_CHARACTERS)]
    voice: Annotated[str | VoiceReference, Meta(description="a character; `default` is the default one")]
    instructions: Annotated[str, Meta(description="accepted, and without effect")] | None = None
    response_format: SoundFormat = SoundFormat.MP3
    speed: Annotated[float, Meta(ge=0.25, le=4.0)] = 1.0
    stream_format: StreamFormat = StreamFormat.AUDIO

    @property
    def voice_id(self) -> str:
        """The name of the voice."""
        return self.voice if isinstance(self.voice, str) else self.voice.id


class Model(Answer):
    """A model."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(Answer):
    """All models."""

    data: list[Model]
    object: Literal["list"] = "list"


class SpeechVoice(Answer):
    """A voice."""

    id: str
    name: str
    created_at: int
    object: Literal["audio.voice"] = "audio.voice"


class SpeechVoiceList(Answer):
    """All voices."""

    data: list[SpeechVoice]
    object: Literal["list"] = "list"


class OpenAiProblem(Answer):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiError(Answer):
    """Every error on these routes."""

    error: OpenAiProblem
