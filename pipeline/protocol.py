"""The words that the daemon and its workers exchange: one JSON object a line.

The job worker reads one `JobSpec` from standard input and writes `Message`s to standard output; the voice worker
reads `SpeakRequest`s and `SpeakCancel`s and writes `Message`s. Paths in artifacts are relative to the character's
folder.
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

NOT_PROCESSED = "not_processed"
"""Code of the error that ends a training whose audio is not processed."""


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
    """One text to speak. Paths are absolute: they were checked before."""

    request_id: str
    family: str
    sovits_path: str
    """Empty, as `gpt_path`: the base of the family speaks, without a trained voice."""
    gpt_path: str
    ref_audio: str
    ref_text: str
    ref_language: str
    text: str
    language: str
    output_path: str
    other_references: tuple[str, ...] = ()
    """More recordings of the voice, whose timbres are averaged with that of `ref_audio`."""
    models_dir: str = ""
    asr_model: str = ""
    device: str = "auto"
    seed: int | None = None
    cut_method: str = "cut5"
    speed: float = 1.0
    pause_s: float = 0.3
    batch_size: int = 8
    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    readings: tuple[Reading, ...] = ()
    """Words of the user's dictionaries."""
    codes_per_phone: tuple[float, float] | None = None
    """The least and the most of this voice; None: what is usual."""
    tries: int = 3
    """How often a piece is spoken at most when words seem to be missing or repeated."""
    verify_words: bool = False
    """Recognise each piece and speak it again when other words are heard."""


@dataclass(frozen=True, slots=True)
class SpeakCancel:
    """Stop speaking a request, or forget it if it still waits; it is then answered with CANCELLED."""

    cancel: str
    """The request's id."""


@dataclass(frozen=True, slots=True)
class PackItem:
    """One spoken sentence that goes into an archive."""

    path: str
    name: str
    """Its file name there, without extension."""
    text: str
    start_s: float | None
    """When it is to begin in the common track; None: there is no track."""


@dataclass(frozen=True, slots=True)
class PackOrder:
    """An archive to make; read by `python -m pipeline.pack` from standard input."""

    target: str
    sound_format: str
    items: tuple[PackItem, ...]


class MessageType(StrEnum):
    """What a worker can say."""

    STARTED = "started"
    """{pid, device}"""
    STEP_STARTED = "step_started"
    """{step, items, work}: number of items the step looks at; stale ones, for a training clips times epochs"""
    PROGRESS = "progress"
    """{step, done, total, note}; training counts optimiser steps. In the voice lane: {request_id, done, total}"""
    ARTIFACT = "artifact"
    """{artifact}: an ArtifactRecord whose files are in place"""
    STEP_FINISHED = "step_finished"
    """{step, items_in, items_out, redone, fresh, dropped: [{item, reason}], seconds, note}"""
    VOICE = "voice"
    """{family, sovits_path, gpt_path, input_hash, metrics, trained_from, config}: paths relative to the character"""
    FRAGMENT = "fragment"
    """{request_id, path, offset, bytes, sample_rate_hz}: so many bytes of 16-bit mono sound lie in the file from
    `offset` on. The file grows, and is renamed to the output once it is complete."""
    SPOKEN = "spoken"
    """{request_id, output_path, seconds, sample_rate_hz, seed, warnings, real_time_factor, first_sound_s, encoded,
    loaded}: how many recordings and texts were encoded anew, and whether the voice was loaded for it"""
    CANCELLED = "cancelled"
    """{request_id}: it was stopped as asked; no output is left"""
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
    """Read a SpeakRequest from its line.

    Raises:
        ValueError: the line is no JSON.
        TypeError: it lacks something, or names what is unknown.
    """
    return _speak_request(json.loads(line))


def decode_for_voice(line: str) -> SpeakRequest | SpeakCancel:
    """Read a line that the voice worker gets; see `decode_speak`."""
    raw = json.loads(line)
    return SpeakCancel(str(raw["cancel"])) if isinstance(raw, dict) and "cancel" in raw else _speak_request(raw)


def _speak_request(raw: Any) -> SpeakRequest:
    if not isinstance(raw, dict):
        raise TypeError("a request is a set of named values")
    for name in ("other_references", "codes_per_phone"):
        if raw.get(name) is not None:
            raw[name] = tuple(raw[name])
    return SpeakRequest(**{**raw, "readings": _readings(raw)})


def _readings(raw: dict[str, Any]) -> tuple[Reading, ...]:
    return tuple(Reading(**reading) for reading in raw.get("readings", ()))


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
