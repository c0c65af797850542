"""What goes over the wire, as the REST contract fixes it. No row ever does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from daemon.tables import Status

Percent = Annotated[float, Meta(ge=0, le=100)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client sends; unknown fields are refused."""


class Answer(msgspec.Struct, kw_only=True):
    """What the service answers."""


class ConfigBody(Body):
    """A character's settings; what is left out gets the service's defaults."""

    character_name: str | UnsetType = UNSET
    language: Annotated[str, Meta(description="zh, en, ja, ko, yue or auto")] | UnsetType = UNSET
    batch_size: int | UnsetType = UNSET
    epochs_s2: Annotated[int, Meta(description="epochs of SoVITS training")] | UnsetType = UNSET
    epochs_s1: Annotated[int, Meta(description="epochs of GPT training")] | UnsetType = UNSET
    gpu_id: Annotated[str, Meta(description="GPUs such as 0 or 0-1-2")] | UnsetType = UNSET
    enable_denoise: bool | UnsetType = UNSET
    family: Annotated[str, Meta(description="model family; auto chooses")] | UnsetType = UNSET

    def given(self) -> dict[str, Any]:
        """Return the settings that the client gave, without the name."""
        fields = msgspec.structs.asdict(self)
        return {name: value for name, value in fields.items() if value is not UNSET and name != "character_name"}


class CreateCharacterBody(Body):
    """A character to make."""

    character_name: str
    config: ConfigBody | None = None


class RenameBody(Body):
    """A character's new name."""

    new_name: str


class CharacterConfigInfo(Answer):
    """A character's settings."""

    character_name: str
    language: str
    batch_size: int
    epochs_s2: int
    epochs_s1: int
    gpu_id: str
    enable_denoise: bool
    family: str


class CharacterInfo(Answer):
    """A character and how it stands."""

    character_name: str
    config: CharacterConfigInfo
    created_at: datetime
    updated_at: datetime
    audio_count: int
    audio_processing_status: Status
    training_status: Status
    model_exists: bool
    is_default: bool


class AudioFileInfo(Answer):
    """A recording. Paths are relative to the work directory."""

    filename: str
    file_path: str
    file_size: int
    created_at: datetime
    modified_at: datetime
    duration: float | None


class AudioProcessingInfo(Answer):
    """How audio processing stands."""

    character_name: str
    status: Status
    current_step: str | None
    progress: Percent
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    processed_audio_count: int


class TrainingInfo(Answer):
    """How training stands. Paths are relative to the work directory."""

    character_name: str
    status: Status
    current_step: str | None
    progress: Percent
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    gpt_model_path: str | None
    sovits_model_path: str | None


class InferenceInfo(Answer):
    """A sentence and how far it is. The path is relative to the work directory."""

    inference_id: str
    character_name: str
    target_text: str
    status: Status
    created_at: datetime
    completed_at: datetime | None
    output_path: str | None
    error_message: str | None
    progress: Percent


class CheckInfo(Answer):
    """How results stand by the files on the disk."""

    character_name: str
    status: Status
    message: str


class Done(Answer):
    """A request that was carried out."""

    message: str
    success: bool = True


class FileDeleted(Answer):
    """A recording that was deleted."""

    message: str
    filename: str
    success: bool = True


class Uploaded(Answer):
    """A recording that was stored. The path is relative to the work directory."""

    message: str
    filename: str
    path: str


class DefaultCharacter(Answer):
    """The character that requests without a name mean."""

    default_character: str | None


class ServiceInfo(Answer):
    """What answers here."""

    service: str
    version: str
    docs_url: str


class ErrorBody(Answer):
    """Every error."""

    status_code: int
    detail: str
