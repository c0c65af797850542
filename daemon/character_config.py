"""A character's own settings: validated like the service's, with defaults from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from daemon.errors import InvalidInputError
from daemon.hardware import has_gpu
from daemon.settings import Settings
from GPT_SoVITS.base_files import base_files, polyphone_state
from GPT_SoVITS.families import FAMILIES, FamilyName
from pipeline.steps import JobConfig

AUTO = "auto"


class CharacterConfig(BaseModel):
    """How one character is processed and trained. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    language: Literal["zh", "en", "ja", "ko", "yue", "auto"] = "zh"
    """Language of the recordings; auto: recognised for each recording."""
    batch_size: int = Field(default=16, ge=1, le=512)
    """Items in one training step."""
    epochs_s2: int = Field(default=50, ge=1, le=10_000)
    """Epochs of SoVITS training."""
    epochs_s1: int = Field(default=15, ge=1, le=10_000)
    """Epochs of GPT training."""
    gpu_id: str = Field(default="0", pattern=r"^\d+(-\d+)*$")
    """GPUs to use, such as 0 or 0-1-2."""
    enable_denoise: bool = True
    """Whether noise is taken out of the clips before training."""
    family: Literal["auto", "nano", "v1", "v2", "v2Pro", "v2ProPlus"] = "auto"
    """Model family."""

    @field_validator("gpu_id", mode="before")
    @classmethod
    def _number_to_text(cls, value: object) -> object:
        """Accept `gpu_id: 0` as people write it in YAML."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def defaults(settings: Settings) -> dict[str, Any]:
    """Return the config of a new character about which nothing was said."""
    training = settings.training
    return {
        "language": training.language,
        "batch_size": training.batch_size,
        "epochs_s2": training.epochs_s2,
        "epochs_s1": training.epochs_s1,
        "gpu_id": settings.gpu.gpu_id,
        "enable_denoise": training.enable_denoise,
        "family": training.family,
    }


def parse(given: Mapping[str, Any], settings: Settings, *, prefix: str = "") -> CharacterConfig:
    """Return a full config from the fields that were given; the others get the service's defaults.

    Args:
        given: fields and values as JSON or YAML brings them.
        settings: where defaults come from.
        prefix: put before field names in messages, such as `config.`.

    Raises:
        InvalidInputError: unknown fields or bad values; names each.
    """
    try:
        return CharacterConfig.model_validate({**defaults(settings), **given})
    except ValidationError as error:
        problems = (f"{prefix}{'.'.join(str(part) for part in each['loc'])}: {_said(each)}" for each in error.errors())
        raise InvalidInputError("; ".join(problems)) from error


def _said(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return f"unknown field; known are {', '.join(CharacterConfig.model_fields)}"
    message = str(problem["msg"])
    return message[:1].lower() + message[1:]


def job_config(config: Mapping[str, Any], settings: Settings) -> JobConfig:
    """Return everything that can change what a character's steps write, from its config and the settings."""
    full = {**defaults(settings), **config}
    models_dir = str(settings.paths.models_dir or "")
    return JobConfig(
        language=full["language"],
        batch_size=full["batch_size"],
        epochs_s2=full["epochs_s2"],
        epochs_s1=full["epochs_s1"],
        gpu_id=full["gpu_id"],
        enable_denoise=full["enable_denoise"],
        family=resolved_family(full["family"], settings),
        asr_model=settings.asr.model,
        asr_device=settings.asr.device,
        asr_compute_type=settings.asr.compute_type,
        models_dir=models_dir,
        polyphones=polyphone_state(models_dir),
        dpo=settings.training.dpo,
        feature_processes=settings.training.feature_processes,
        training_processes=settings.training.training_processes,
    )


def resolved_family(name: str, settings: Settings) -> str:
    """Return the model family that `auto` stands for: v2ProPlus with a GPU and its base weights, else nano."""
    if name != AUTO:
        return name
    best = FamilyName.V2_PRO_PLUS
    if has_gpu(settings.gpu) and not base_files(FAMILIES[best], str(settings.paths.models_dir or "")).missing():
        return best
    return FamilyName.NANO
