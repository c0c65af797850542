"""Writes down how each step of a job goes: when, how long, how much, and what was dropped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from daemon.tables import JobStep, now
from pipeline.steps import StepName


@dataclass(slots=True)
class _Entry:
    """One step in one attempt."""

    began: float
    started_at: datetime
    work: float = 0.0
    share: float = 0.0
    report: Mapping[str, Any] | None = None
    earlier_s: float | None = None
    """Time that earlier attempts spent; None until the row was looked up."""
    earlier_redone: int = 0
    changed: bool = True

    @property
    def seconds(self) -> float:
        """Time of this attempt."""
        reported = self.report.get("seconds") if self.report is not None else None
        return float(reported) if reported is not None else time.monotonic() - self.began


class StepLog:
    """Collects what one attempt says about its steps; `commit` brings it into the rows."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._entries: dict[StepName, _Entry] = {}

    def started(self, step: StepName, work: float) -> None:
        """Note that a step begins, with so much to do."""
        self._entries[step] = _Entry(time.monotonic(), now(), work)

    def advanced(self, step: StepName, done: float, total: float) -> None:
        """Note that `done` of `total` units are done."""
        entry = self._entry(step)
        if total > 0:
            entry.share, entry.changed = min(1.0, max(0.0, done / total)), True

    def finished(self, step: StepName, report: Mapping[str, Any]) -> None:
        """Note a step's report."""
        entry = self._entry(step)
        entry.share, entry.report, entry.changed = 1.0, report, True

    def commit(self, session: Session) -> None:
        """Write what has changed; a step that goes on gets its time so far."""
        for step, entry in self._entries.items():
            if entry.changed:
                entry.changed = False
                self._write(session, step, entry)

    def _entry(self, step: StepName) -> _Entry:
        return self._entries.setdefault(step, _Entry(time.monotonic(), now()))

    def _write(self, session: Session, step: StepName, entry: _Entry) -> None:
        query = select(JobStep).where(JobStep.job_id == self._job_id, JobStep.step == step.value)
        row = session.exec(query).first() or JobStep(job_id=self._job_id, step=step.value, started_at=entry.started_at)
        if entry.earlier_s is None:
            entry.earlier_s, entry.earlier_redone = row.seconds, row.redone
            row.completed_at = None
        row.seconds = round(entry.earlier_s + entry.seconds, 3)
        row.progress = round(100 * entry.share, 2)
        row.work = max(row.work, entry.work)  # a later attempt has less left to do
        if entry.report is not None:
            row.completed_at = row.completed_at or now()
            row.items_in = int(entry.report.get("items_in") or 0)
            row.items_out = int(entry.report.get("items_out") or 0)
            row.redone = entry.earlier_redone + int(entry.report.get("redone") or 0)
            row.dropped = list(entry.report.get("dropped") or ())
            row.note = str(entry.report.get("note") or "")
        session.add(row)
