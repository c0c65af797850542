"""The tables. Rows are built through `daemon.store`; nothing else writes them.

Times are timezone-aware UTC. Enumerations are stored by value as text. Paths in Artifact and Voice are relative to
the character's folder, so that a rename does not touch them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, DateTime, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Store aware datetimes as UTC; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Drop the zone after moving to UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Put UTC back."""
        return None if value is None else value.replace(tzinfo=UTC)


class Status(StrEnum):
    """The words of the REST contract. `outdated` is always computed and never stored."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OUTDATED = "outdated"


class Origin(StrEnum):
    """How a recording came in."""

    INBOX = "inbox"
    API = "api"
    MANUAL = "manual"
    """Put into raw_audio/ by hand."""


def _owner(nullable: bool = False) -> Any:
    return Field(
        sa_column=Column(Integer, ForeignKey("character.id", ondelete="CASCADE"), nullable=nullable, index=True)
    )


def _time(nullable: bool = False) -> Any:
    if nullable:
        return Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    return Field(default_factory=now, sa_column=Column(UtcDateTime, nullable=False))


class Character(SQLModel, table=True):
    """One voice to be cloned."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=64)
    """In Unicode NFC."""
    config: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """The CharacterConfig of the REST contract without `character_name`."""
    is_default: bool = False
    renaming_to: str | None = None
    """A rename that has begun: its folders are moved, then the name; a crash in between is finished at start."""
    created_at: datetime = _time()
    updated_at: datetime = _time()


class AudioFile(SQLModel, table=True):
    """One recording in raw_audio/."""

    __table_args__ = (UniqueConstraint("character_id", "filename"), Index(None, "character_id", "sha256"))

    id: int | None = Field(default=None, primary_key=True)
    character_id: int = _owner()
    filename: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    origin: str = Field(default=Origin.INBOX, sa_type=String)
    transcript_text: str | None = None
    transcript_language: str | None = None
    created_at: datetime = _time()
    modified_at: datetime = _time()


class Artifact(SQLModel, table=True):
    """What a step made of one item (see pipeline.protocol.ArtifactRecord)."""

    __table_args__ = (UniqueConstraint("character_id", "step", "item"),)

    id: int | None = Field(default=None, primary_key=True)
    character_id: int = _owner()
    step: str
    item: str
    input_hash: str
    output_hash: str
    outputs: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    detail: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = _time()


class TranscriptEdit(SQLModel, table=True):
    """What a person made of one clip's transcript; it wins over recognition."""

    __table_args__ = (UniqueConstraint("character_id", "clip"),)

    id: int | None = Field(default=None, primary_key=True)
    character_id: int = _owner()
    clip: str
    text: str | None = None
    language: str | None = None
    excluded: bool = False
    updated_at: datetime = _time()


class Job(SQLModel, table=True):
    """One processing or training of one character. The truth about the queue."""

    __table_args__ = (
        Index(
            "uq_job_active",
            "character_id",
            "kind",
            unique=True,
            sqlite_where=text("status IN ('pending', 'running')"),
        ),
        Index(None, "status"),
        {"sqlite_autoincrement": True},  # the number of a deleted job is never given to another
    )

    id: int | None = Field(default=None, primary_key=True)
    character_id: int = _owner()
    kind: str
    origin: str = Field(default=Origin.API, sa_type=String)
    """`inbox`: queued by itself when the inbox was quiet, so training follows by itself; `api`: somebody asked."""
    status: str = Field(default=Status.PENDING, sa_type=String)
    step: str | None = None
    progress: float = 0.0
    """0 to 100."""
    attempt: int = 0
    cancel_requested: bool = False
    not_before: datetime | None = _time(nullable=True)
    """A retry after a resource error waits until then."""
    pid: int | None = None
    pid_started: float | None = None
    """Start time of that process in seconds since boot, so that a reused pid is never killed."""
    created_at: datetime = _time()
    started_at: datetime | None = _time(nullable=True)
    completed_at: datetime | None = _time(nullable=True)
    error_code: str | None = None
    error: str | None = None
    log_path: str | None = None


class JobStep(SQLModel, table=True):
    """How one step of a job went, over all its attempts; earlier ones tell how long a later one will take."""

    __table_args__ = (UniqueConstraint("job_id", "step"),)

    id: int | None = Field(default=None, primary_key=True)
    job_id: int = Field(sa_column=Column(Integer, ForeignKey("job.id", ondelete="CASCADE"), nullable=False, index=True))
    step: str
    started_at: datetime = _time()
    completed_at: datetime | None = _time(nullable=True)
    seconds: float = 0.0
    """Time spent in it so far."""
    progress: float = 0.0
    """0 to 100."""
    work: float = 0.0
    """How much there was to do: stale items, for a training clips times epochs."""
    items_in: int = 0
    items_out: int = 0
    redone: int = 0
    dropped: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    """[{item, reason}]"""
    note: str = ""


class Inference(SQLModel, table=True):
    """One sentence to speak."""

    __table_args__ = (Index(None, "status"), Index(None, "created_at"))

    id: str = Field(primary_key=True)
    """32 hexadecimal digits."""
    character_id: int | None = Field(
        sa_column=Column(Integer, ForeignKey("character.id", ondelete="SET NULL"), nullable=True, index=True)
    )
    character_name: str
    target_text: str
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """The request as accepted, with defaults filled in."""
    status: str = Status.PENDING
    progress: float = 0.0
    attempt: int = 0
    cancel_requested: bool = False
    created_at: datetime = _time()
    started_at: datetime | None = _time(nullable=True)
    completed_at: datetime | None = _time(nullable=True)
    output_path: str | None = None
    """Relative to the work directory."""
    error_message: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """Voice used, warnings, seconds of audio, seconds it took; while it is spoken, how much can be heard."""
    batch_id: str | None = Field(
        default=None,
        sa_column=Column(String, ForeignKey("speechbatch.id", ondelete="CASCADE"), nullable=True, index=True),
    )
    batch_position: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default=text("0")))


class SpeechBatch(SQLModel, table=True):
    """Many sentences that are asked for and given out together."""

    id: str = Field(primary_key=True)
    """32 hexadecimal digits."""
    character_id: int | None = Field(
        sa_column=Column(Integer, ForeignKey("character.id", ondelete="SET NULL"), nullable=True, index=True)
    )
    character_name: str
    sound_format: str
    names: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """File names of the sounds without extension, by position."""
    starts_s: list[float] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    """When each is to begin, for subtitles; then a track with all of them is made as well."""
    created_at: datetime = _time()


class Voice(SQLModel, table=True):
    """A version of a character's voice: the two model files of a finished training and what they came from."""

    __table_args__ = ({"sqlite_autoincrement": True},)  # requests name versions, so no number is given twice

    id: int | None = Field(default=None, primary_key=True)
    character_id: int = _owner()
    job_id: int | None = None
    family: str
    sovits_path: str
    gpt_path: str
    input_hash: str
    trained_from: str
    """`random weights` or the name of the base; shown wherever a person would mistake it for a usable voice."""
    metrics: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    active: bool = True
    """Whether it speaks; one version of a character does."""
    created_at: datetime = _time()
    """When its training finished; a training that leads to the same version again renews it."""
    config: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default=text("'{}'"))
    )
    """The settings that it was trained with; empty for versions older than this column."""
    note: str = Field(default="", sa_column=Column(String, nullable=False, server_default=text("''")))
    """What a person wrote about it."""


class Event(SQLModel, table=True):
    """Append-only: what changed, in the order in which it was committed."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _time()
    character_id: int | None = Field(
        sa_column=Column(Integer, ForeignKey("character.id", ondelete="SET NULL"), nullable=True, index=True)
    )
    job_id: int | None = None
    kind: str
    """Dotted words: character.created, audio.added, job.started, step.finished …"""
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


class ApiKey(SQLModel, table=True):
    """Who may use the API from other machines. The secret itself is never stored."""

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=64)
    public_part: str = Field(unique=True, max_length=16)
    """The readable part of the key, by which it is found."""
    digest: str
    """SHA-256 of the whole key, hexadecimal; a key holds 256 random bits, so that no slow hash is needed."""
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    sentences_per_minute: int | None = None
    """Limit of its own; None: the one of the settings."""
    created_at: datetime = _time()
    revoked_at: datetime | None = _time(nullable=True)


class SentenceCount(SQLModel, table=True):
    """How many sentences a caller has asked for in one minute; all API processes count together."""

    caller: str = Field(primary_key=True)
    minute: int = Field(primary_key=True)
    """Minutes since 1970."""
    count: int = 0


class ServiceState(SQLModel, table=True):
    """Facts that processes tell each other: heartbeat, watcher health, pids."""

    key: str = Field(primary_key=True)
    value: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    updated_at: datetime = _time()
