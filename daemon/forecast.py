"""How much longer a job will take, from how long its steps took in earlier jobs on this machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from sqlmodel import Session, col, select

from daemon import staleness
from daemon.settings import Settings
from daemon.tables import Character, Job, JobStep, Status
from pipeline import plan
from pipeline.steps import JobKind, StepName, steps_of

REMEMBERED = 400
"""So many of the newest steps are looked at."""
COUNTED = 5
"""Of one step, so many of the newest."""
OWN_PACE_FROM = 10.0
"""Percent of a step after which its own pace tells more than earlier ones."""


@dataclass(slots=True)
class _History:
    """What earlier jobs say of each step."""

    rates: dict[StepName, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds a unit of work, newest first."""
    works: dict[int, dict[StepName, float]] = field(default_factory=lambda: defaultdict(dict))
    """Units of work by job and step."""

    def rate(self, step: StepName) -> float | None:
        found = self.rates.get(step)
        return median(found[:COUNTED]) if found else None

    def ratio(self, step: StepName, before: StepName) -> float:
        """Return how much more there is to do in a step than in the one before it."""
        pairs = [(works[step], works[before]) for works in self.works.values() if {step, before} <= works.keys()]
        return median(mine / other for mine, other in pairs[:COUNTED]) if pairs else 1.0


def seconds_left(session: Session, settings: Settings, character: Character, job: Job) -> float | None:
    """Return the seconds that a job still needs once it runs.

    Returns:
        None when it has ended, or when no earlier job ran one of the steps that are left.
    """
    if job.status not in (Status.PENDING, Status.RUNNING):
        return None
    rows = {StepName(row.step): row for row in session.exec(select(JobStep).where(JobStep.job_id == job.id)).all()}
    inputs = staleness.inputs_of(session, settings, character)
    history = _history(session, job)
    total, before = 0.0, None
    works: dict[StepName, float] = {}
    for step in steps_of(JobKind(job.kind), inputs.config):
        works[step.name] = _work(step.name, before, works, rows, inputs, history)
        seconds = _step_left(works[step.name], rows.get(step.name), history.rate(step.name))
        if seconds is None:
            return None
        total, before = total + seconds, step.name
    return round(total, 1)


def _work(
    step: StepName,
    before: StepName | None,
    works: Mapping[StepName, float],
    rows: Mapping[StepName, JobStep],
    inputs: plan.Inputs,
    history: _History,
) -> float:
    """Return how much there is to do in a step: as the worker said, as the plan says, or in proportion."""
    if step in rows:
        return rows[step].work
    planned = plan.plan_step(step, inputs)
    known = plan.work_of(planned, inputs.config)
    if not planned.blocked or before is None:
        return known
    return max(known, works[before] * history.ratio(step, before))


def _step_left(work: float, row: JobStep | None, rate: float | None) -> float | None:
    if row is not None and row.completed_at is not None:
        return 0.0
    if work == 0:
        return 0.0
    if row is None:
        return None if rate is None else work * rate
    share = row.progress / 100
    if rate is None or row.progress >= OWN_PACE_FROM:
        return row.seconds / share * (1 - share) if share > 0 else None
    return work * rate * (1 - share)


def _history(session: Session, job: Job) -> _History:
    """Read the newest finished steps; those of the same character come first."""
    query = (
        select(JobStep.job_id, JobStep.step, JobStep.seconds, JobStep.work)
        .join(Job, col(Job.id) == col(JobStep.job_id))
        .where(col(JobStep.completed_at).is_not(None), JobStep.work > 0, JobStep.redone > 0, JobStep.job_id != job.id)
        .order_by((col(Job.character_id) == job.character_id).desc(), col(JobStep.id).desc())
        .limit(REMEMBERED)
    )
    history = _History()
    for job_id, step, seconds, work in session.exec(query).all():
        history.rates[StepName(step)].append(seconds / work)
        history.works[job_id][StepName(step)] = work
    return history
