"""Errors of the engine.

EngineError                 anything the engine refuses or cannot do; its text is one clear sentence
├── AudioError              a recording cannot be decoded, is empty, truncated or silent
├── TextError               a text holds nothing that can be spoken
├── CheckpointError         a checkpoint is damaged, hostile, of another version or of another shape
├── ModelMissingError       weights that a family needs are absent; says where they belong and how to get them
├── TrainingDataError       too little usable material is left to train on
├── TrainingDivergedError   the loss was not finite several times in a row
└── TrainingMemoryError     the memory is too small for half a batch
"""

from __future__ import annotations


class EngineError(Exception):
    """Refuse or fail with one clear sentence; `code` is short and stable, for programs."""

    code = "engine_error"


class AudioError(EngineError):
    """A recording that cannot be used."""

    code = "audio_unusable"


class TextError(EngineError):
    """A text that cannot be spoken."""

    code = "text_unusable"


class CheckpointError(EngineError):
    """A checkpoint that cannot be trusted or does not fit."""

    code = "checkpoint_unusable"


class ModelMissingError(EngineError):
    """Weights that are needed and absent."""

    code = "model_missing"


class TrainingDataError(EngineError):
    """Not enough usable material."""

    code = "training_data"


class TrainingDivergedError(EngineError):
    """A loss that is no longer a number."""

    code = "training_diverged"


class TrainingMemoryError(EngineError):
    """A batch that does not fit the memory, halved or not."""

    code = "training_memory"
