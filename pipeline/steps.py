"""What the ten steps are: names, order, versions and the parameters that change their output."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class JobKind(StrEnum):
    """The two jobs that a character can have."""

    PROCESS = "process"
    TRAIN = "train"


class StepName(StrEnum):
    """The ten steps, in the order in which they run."""

    CONVERT_AUDIO = "convert_audio"
    SLICE_AUDIO = "slice_audio"
    DENOISE_AUDIO = "denoise_audio"
    ASR_TRANSCRIBE = "asr_transcribe"
    EXTRACT_TEXT_FEATURES = "extract_text_features"
    EXTRACT_AUDIO_FEATURES = "extract_audio_features"
    EXTRACT_SPEAKER_VECTORS = "extract_speaker_vectors"
    EXTRACT_SEMANTIC_FEATURES = "extract_semantic_features"
    TRAIN_SOVITS = "train_sovits"
    TRAIN_GPT = "train_gpt"


class Scope(StrEnum):
    """What one item of a step is."""

    RECORDING = "recording"
    CLIP = "clip"
    CHARACTER = "character"


CHARACTER_ITEM = "voice"
"""The one item of a step that works on the whole character."""

LIST_ITEM = "list"
"""The file listing all clips: an item of asr_transcribe, extract_text_features and extract_semantic_features."""


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Everything from a character's config and the settings that can change what a step writes.

    Plain values only: it travels as JSON and is hashed field by field.
    """

    language: str = "zh"
    batch_size: int = 16
    epochs_s2: int = 50
    epochs_s1: int = 15
    gpu_id: str = "0"
    enable_denoise: bool = True
    family: str = "nano"
    asr_model: str = ""
    """A model directory or hub name; empty means the Whisper base that the `offline` extra carries."""
    asr_device: str = "auto"
    asr_compute_type: str = "int8"
    models_dir: str = ""
    """Where the public base weights lie; empty means GPT_SoVITS/pretrained_models beside the engine."""
    polyphones: str = ""
    """Which polyphone model reads Mandarin, empty without one; it changes the phones of Chinese transcripts."""
    seed: int = 1234
    save_every_epoch: int = 4
    dpo: bool = False
    """Whether the text-to-semantic model also learns from damaged copies of its data (preference training)."""
    feature_processes: int = 0
    """Processes of a feature step on the CPU; 0 leaves it to the machine."""
    training_processes: int = 0
    """Processes that train together; 0 is one for each GPU of gpu_id, and one on the CPU."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `version` is raised whenever the same input would give other output."""

    name: StepName
    kind: JobKind
    scope: Scope
    version: int
    parameters: tuple[str, ...]
    """Fields of JobConfig that change the output; others (gpu_id, asr_device) do not stale anything."""


STEPS: tuple[Step, ...] = (
    Step(StepName.CONVERT_AUDIO, JobKind.PROCESS, Scope.RECORDING, 1, ("family",)),
    Step(StepName.SLICE_AUDIO, JobKind.PROCESS, Scope.RECORDING, 2, ()),  # 2: clips are measured
    Step(StepName.DENOISE_AUDIO, JobKind.PROCESS, Scope.CLIP, 1, ()),
    Step(StepName.ASR_TRANSCRIBE, JobKind.PROCESS, Scope.CLIP, 1, ("language", "asr_model")),
    Step(StepName.EXTRACT_TEXT_FEATURES, JobKind.TRAIN, Scope.CLIP, 3, ("family",)),  # 3: more texts are read rightly
    Step(StepName.EXTRACT_AUDIO_FEATURES, JobKind.TRAIN, Scope.CLIP, 2, ("family",)),
    Step(StepName.EXTRACT_SPEAKER_VECTORS, JobKind.TRAIN, Scope.CLIP, 1, ("family",)),
    Step(StepName.EXTRACT_SEMANTIC_FEATURES, JobKind.TRAIN, Scope.CLIP, 2, ("family",)),
    Step(StepName.TRAIN_SOVITS, JobKind.TRAIN, Scope.CHARACTER, 2, ("family", "batch_size", "epochs_s2", "seed")),
    Step(StepName.TRAIN_GPT, JobKind.TRAIN, Scope.CHARACTER, 2, ("family", "batch_size", "epochs_s1", "seed", "dpo")),
)

TRAINING_LOGS = {StepName.TRAIN_SOVITS: "logs_s2", StepName.TRAIN_GPT: "logs_s1"}
"""Public prefix of the folder below the experiment that holds a training's checkpoints and metrics.jsonl."""

VOICE_SETTINGS = ("family", "language", "enable_denoise", "batch_size", "epochs_s2", "epochs_s1", "seed")
"""Fields of JobConfig that are recorded with a finished voice."""

STEP_BY_NAME: dict[StepName, Step] = {step.name: step for step in STEPS}


def epochs_of(step: StepName, config: JobConfig) -> int:
    """Return how often a training step goes over its clips; 1 for other steps."""
    return {StepName.TRAIN_SOVITS: config.epochs_s2, StepName.TRAIN_GPT: config.epochs_s1}.get(step, 1)


def steps_of(kind: JobKind, config: JobConfig) -> tuple[Step, ...]:
    """Return the steps that a job of this kind runs, in order; denoising only when enabled."""
    return tuple(
        step
        for step in STEPS
        if step.kind is kind and (step.name is not StepName.DENOISE_AUDIO or config.enable_denoise)
    )
