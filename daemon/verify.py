"""Comparing what is recorded with the bytes on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, col, delete

from daemon import characters, events, recordings, staleness
from daemon.database import Database
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Artifact, Character, Status
from pipeline import plan
from pipeline.steps import STEP_BY_NAME, JobKind

READ_BYTES = 1 << 20
RECORDING = "recording"
"""Stands for the step in problems of recordings."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is not what the database says."""

    step: str
    """The step that made it, or `recording`."""
    item: str
    path: str
    """Relative to the character's folder."""
    what: str
    """missing, changed or unreadable."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job's results stand by the files on the disk."""

    status: Status
    message: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Expected:
    step: str
    item: str
    path: str
    sha256: str


def verify(database: Database, settings: Settings, layout: Layout, character: Character) -> list[Problem]:
    """Hash every recording and every output of a character again and return what differs.

    Outputs that differ are forgotten, so that the next job makes them anew.
    """
    with database.read() as session:
        inputs = staleness.inputs_of(session, settings, character)
        expected = [*_recorded(session, character), *_outputs(inputs, tuple(JobKind))]
    problems = _compare(layout.character(character.name), expected)
    _forget(database, character, problems)
    return problems


def check(database: Database, settings: Settings, layout: Layout, character: Character, kind: JobKind) -> Verdict:
    """Say how a job's results stand by the files on the disk; what differs is forgotten, as `verify` does it."""
    with database.read() as session:
        job = staleness.newest_job(session, character, kind)
        inputs = staleness.inputs_of(session, settings, character)
        expected = list(_outputs(inputs, (kind,)))
        if kind is JobKind.PROCESS:
            expected = [*_recorded(session, character), *expected]
    if job is not None and job.status in (Status.PENDING, Status.RUNNING):
        return Verdict(Status(job.status), f"a job is {'queued' if job.status == Status.PENDING else 'running'}")
    problems = tuple(_compare(layout.character(character.name), expected))
    if problems:
        _forget(database, character, problems)
        first = problems[0]
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        return Verdict(
            Status.OUTDATED, f"{first.path} is {first.what}{more}; start it again to make them anew", problems
        )
    return _by_plan(inputs, kind, Status(job.status) if job is not None else None)


def _forget(database: Database, character: Character, problems: Sequence[Problem]) -> None:
    """Delete the rows of outputs that are not what was recorded; a running job looks after them itself."""
    harmed = sorted({(problem.step, problem.item) for problem in problems if problem.step != RECORDING})
    if not harmed:
        return
    with database.write() as session:
        if characters.running_job(session, character) is not None:
            return
        for step, item in harmed:
            mine = (col(Artifact.character_id) == character.id, col(Artifact.step) == step, col(Artifact.item) == item)
            session.exec(delete(Artifact).where(*mine))
        events.append(session, "artifacts.lost", character_id=character.id, count=len(harmed))


def _by_plan(inputs: plan.Inputs, kind: JobKind, last: Status | None) -> Verdict:
    steps = list(plan.plan_job(kind, inputs))
    made = sum(len(step.fresh) for step in steps)
    if last in (Status.FAILED, Status.CANCELLED):
        return Verdict(last, f"the last job ended as {last}; {made} results are on the disk and unharmed")
    if not inputs.recordings or not made:
        return Verdict(Status.PENDING, "nothing has been made yet")
    if plan.is_complete(kind, inputs):
        return Verdict(Status.COMPLETED, f"all {made} results are on the disk and unharmed")
    stale = ", ".join(step.step.name for step in steps if not step.complete)
    waiting = stale or "audio processing"
    return Verdict(Status.OUTDATED, f"{made} results are on the disk and unharmed; still to be done: {waiting}")


def _recorded(session: Session, character: Character) -> list[_Expected]:
    rows = recordings.listing(session, character)
    return [_Expected(RECORDING, row.filename, f"raw_audio/{row.filename}", row.sha256) for row in rows]


def _outputs(inputs: plan.Inputs, kinds: Sequence[JobKind]) -> Iterable[_Expected]:
    """Yield the outputs that the present inputs lead to; others are litter."""
    live = plan.live_items(inputs)
    for (step, item), artifact in inputs.artifacts.items():
        if (step, item) in live and STEP_BY_NAME[step].kind in kinds:
            for output in artifact.outputs:
                yield _Expected(step, item, output.path, output.sha256)


def _compare(root: Path, expected: Iterable[_Expected]) -> list[Problem]:
    problems = []
    for each in expected:
        what = _difference(root / each.path, each.sha256)
        if what is not None:
            problems.append(Problem(each.step, each.item, each.path, what))
    return problems


def _difference(path: Path, sha256: str) -> str | None:
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while block := stream.read(READ_BYTES):
                digest.update(block)
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    return None if digest.hexdigest() == sha256 else "changed"
