"""Jobs, their steps, training curves and events on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from api.schemas import Answer, Percent
from daemon.staleness import JobKind
from daemon.tables import Status


class JobInfo(Answer):
    """A processing or training of a character."""

    job_id: int
    character_name: str
    kind: JobKind
    origin: Annotated[str, Meta(description="api: somebody asked; inbox: queued by itself")]
    status: Status
    current_step: str | None
    progress: Percent
    attempt: Annotated[int, Meta(description="counts tries that got no further than the one before")]
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_code: str | None
    error_message: str | None


class DroppedItem(Answer):
    """A recording or clip that could not be used."""

    item: str
    reason: str


class JobStepInfo(Answer):
    """A step of a job, over all its attempts."""

    step: str
    status: Status
    progress: Percent
    started_at: datetime | None
    completed_at: datetime | None
    seconds: float
    items_in: int
    items_out: int
    redone: Annotated[int, Meta(description="items made by this job; the others were up to date")]
    dropped: list[DroppedItem]
    note: str


class JobDetail(JobInfo):
    """A job with its steps."""

    steps: list[JobStepInfo]
    seconds_left: Annotated[
        float | None, Meta(description="from earlier jobs on this machine, once it runs; null: not known")
    ]


class JobPage(Answer):
    """Some of the jobs, newest first."""

    jobs: list[JobInfo]


class JobLog(Answer):
    """The newest lines of a job's log."""

    job_id: int
    lines: list[str]
    size_bytes: Annotated[int, Meta(description="of the whole log")]


class CurvePoint(Answer):
    """One step of a training."""

    step: int
    epoch: int
    seconds: Annotated[float, Meta(description="time spent training up to here")]
    values: Annotated[dict[str, float | None], Meta(description="parts of the loss; null: it was no number")]


class Curve(Answer):
    """How one of the two trainings went."""

    step: Annotated[str, Meta(description="train_sovits or train_gpt")]
    points: list[CurvePoint]


class Curves(Answer):
    """How the trainings of a job went."""

    job_id: int
    curves: list[Curve]


class EventInfo(Answer):
    """Something that changed."""

    event_id: int
    at: datetime
    kind: Annotated[str, Meta(description="dotted words, such as job.started")]
    character_name: Annotated[str | None, Meta(description="null once the character is deleted")]
    job_id: int | None
    data: dict[str, Any]


class EventPage(Answer):
    """Events in the order in which they happened."""

    events: list[EventInfo]
    latest: Annotated[int, Meta(description="id of the newest event that there is")]
