"""The words that the daemon and its workers exchange: one JSON object a line.

The job worker reads one `JobSpec` from standard input and writes `Message`s to standard output; the voice worker
reads `SpeakRequest`s and writes `Message`s. Paths in artifacts are relative to the character's folder.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from GPT_SoVITS.text.dictionary import Reading
from pipeline.steps import JobConfig, JobKind, StepName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file that a step wrote."""

    path: str
    """Relative to the character's folder, with forward slashes."""
    size_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """What a step made of one item. No outputs and a `dropped` reason in `detail`: the item is unusable."""

    step: StepName
    item: str
    input_hash: str
    output_hash: str
    outputs: tuple[OutputFile, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    """Facts for people and later steps: `dropped` (reason), `duration_s`, `text`, `language`, `source`, scores."""

    @property
    def dropped(self) -> str | None:
        """Why the item was dropped, or None."""
        return self.detail.get("dropped")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file in raw_audio/, with the transcript that came beside it, if any."""

    name: str
    sha256: str
    text: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptEdit:
    """What a person made of one clip's transcript."""

    clip: str
    text: str | None = None
    language: str | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class JobSpec:
    """All that a job worker needs to know."""

    job_id: int
    kind: JobKind
    character: str
    root: str
    """The character's folder, absolute."""
    config: JobConfig
    recordings: tuple[Recording, ...] = ()
    edits: tuple[TranscriptEdit, ...] = ()
    artifacts: tuple[ArtifactRecord, ...] = ()
    readings: tuple[Reading, ...] = ()
    """Words of the user's dictionaries."""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class SpeakRequest:
    """One sentence to speak. Paths are absolute: they were checked before."""

    request_id: str
    family: str
    sovits_path: str
    gpt_path: str
    ref_audio: str
    ref_text: str
    ref_language: str
    text: str
    language: str
    output_path: str
    models_dir: str = ""
    asr_model: str = ""
    device: str = "auto"
    seed: int | None = None
    cut_method: str = "cut5"
    speed: float = 1.0
    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    readings: tuple[Reading, ...] = ()
    """Words of the user's dictionaries."""


class MessageType(StrEnum):
    """What a worker can say."""

    STARTED = "started"
    """{pid, device}"""
    STEP_STARTED = "step_started"
    """{step, items}: number of items the step looks at"""
    PROGRESS = "progress"
    """{step, done, total, note}; training counts optimiser steps. In the voice lane: {request_id, done, total}"""
    ARTIFACT = "artifact"
    """{artifact}: an ArtifactRecord whose files are in place"""
    STEP_FINISHED = "step_finished"
    """{step, items_in, items_out, redone, fresh, dropped: [{item, reason}], seconds, note}"""
    VOICE = "voice"
    """{family, sovits_path, gpt_path, input_hash, metrics, trained_from}: paths relative to the character"""
    SPOKEN = "spoken"
    """{request_id, output_path, seconds, sample_rate_hz, warnings}"""
    ERROR = "error"
    """{code, message, kind, item, request_id}; kind: permanent, retryable or resource"""
    DONE = "done"
    """{}: the job is complete"""


@dataclass(frozen=True, slots=True)
class Message:
    """One line from a worker."""

    type: MessageType
    data: dict[str, Any] = field(default_factory=dict)


def encode(value: Any) -> str:
    """Return a dataclass as one line of JSON without a newline inside."""
    return json.dumps(dataclasses.asdict(value), ensure_ascii=True, separators=(",", ":"))


def decode_job(line: str) -> JobSpec:
    """Read a JobSpec from its line."""
    raw = json.loads(line)
    return JobSpec(
        job_id=raw["job_id"],
        kind=JobKind(raw["kind"]),
        character=raw["character"],
        root=raw["root"],
        config=JobConfig(**raw["config"]),
        recordings=tuple(Recording(**r) for r in raw["recordings"]),
        edits=tuple(TranscriptEdit(**e) for e in raw["edits"]),
        artifacts=tuple(artifact_from(a) for a in raw["artifacts"]),
        readings=_readings(raw),
        attempt=raw["attempt"],
    )


def decode_speak(line: str) -> SpeakRequest:
    """Read a SpeakRequest from its line."""
    raw = json.loads(line)
    return SpeakRequest(**{**raw, "readings": _readings(raw)})


def _readings(raw: dict[str, Any]) -> tuple[Reading, ...]:
    return tuple(Reading(**reading) for reading in raw["readings"])


def decode_message(line: str) -> Message:
    """Read a Message from its line.

    Raises:
        ValueError: the line is not a message (a stray print, say).
    """
    raw = json.loads(line)
    if not isinstance(raw, dict) or "type" not in raw:
        raise ValueError("not a worker message")
    return Message(MessageType(raw["type"]), dict(raw.get("data") or {}))


def artifact_from(raw: dict[str, Any]) -> ArtifactRecord:
    """Build an ArtifactRecord from its plain form."""
    return ArtifactRecord(
        step=StepName(raw["step"]),
        item=raw["item"],
        input_hash=raw["input_hash"],
        output_hash=raw["output_hash"],
        outputs=tuple(OutputFile(**o) for o in raw["outputs"]),
        detail=dict(raw["detail"]),
    )
