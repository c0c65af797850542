"""The queue: one job at a time, nothing lost, nothing run twice, attempts bounded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlmodel import col, select

from daemon import migrate, queue
from daemon.database import Database
from daemon.errors import NotFoundError
from daemon.queue import Limits, Verdict
from daemon.tables import Character, Event, Job, Origin, Status, now
from pipeline.steps import JobKind

FAILED = Verdict(Status.FAILED, "crash", "the worker crashed")


def _database(folder: Path, *names: str) -> Database:
    database = Database(folder / "sovits.db")
    migrate.upgrade(database)
    with database.write() as session:
        for name in names:
            session.add(Character(name=name, config={}))
    return database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = _database(tmp_path, "艾莉森", "bob")
    yield made
    made.close()


def _enqueue(database: Database, character: int, kind: JobKind) -> int:
    with database.write() as session:
        job = queue.enqueue(session, character, kind)
        assert job.id is not None
        return job.id


def _job(database: Database, job_id: int) -> Job:
    with database.read() as session:
        job = session.get(Job, job_id)
        assert job is not None
        return job


def test_queueing_what_is_queued_or_running_gives_that_job(database: Database) -> None:
    first = _enqueue(database, 1, JobKind.PROCESS)
    assert _enqueue(database, 1, JobKind.PROCESS) == first
    queue.claim(database)
    assert _enqueue(database, 1, JobKind.PROCESS) == first


def test_only_one_job_runs_and_the_oldest_goes_first(database: Database) -> None:
    first, second = _enqueue(database, 2, JobKind.PROCESS), _enqueue(database, 1, JobKind.PROCESS)
    claimed = queue.claim(database)
    assert claimed is not None and claimed.id == first and claimed.attempt == 1
    assert queue.claim(database) is None
    with database.write() as session:
        queue.finish(session, _job(database, first), Verdict(Status.COMPLETED))
    claimed = queue.claim(database)
    assert claimed is not None and claimed.id == second


def test_a_characters_processing_goes_before_its_training(database: Database) -> None:
    _enqueue(database, 1, JobKind.TRAIN)
    processing = _enqueue(database, 1, JobKind.PROCESS)
    claimed = queue.claim(database)
    assert claimed is not None and claimed.id == processing


def test_a_job_that_lacks_a_resource_waits_without_counting_the_attempt(database: Database) -> None:
    job_id = _enqueue(database, 1, JobKind.PROCESS)
    queue.claim(database)
    full = Verdict(Status.PENDING, "disk_full", "the disk is full")
    with database.write() as session:
        queue.wait_for_resource(session, _job(database, job_id), Limits(retry_seconds=60), full)
    assert queue.claim(database) is None
    assert (_job(database, job_id).attempt, _job(database, job_id).error) == (0, "the disk is full")
    claimed = queue.claim(database, now() + timedelta(seconds=61))
    assert claimed is not None and claimed.attempt == 1


def test_a_job_left_running_is_put_back_and_fails_after_too_many_attempts(database: Database) -> None:
    job_id = _enqueue(database, 1, JobKind.PROCESS)
    for attempt in (1, 2):
        queue.claim(database)
        assert queue.recover(database, Limits(max_attempts=3)) == 1
        assert (_job(database, job_id).status, _job(database, job_id).attempt) == (Status.PENDING, attempt)
    queue.claim(database)
    queue.recover(database, Limits(max_attempts=3))
    failed = _job(database, job_id)
    assert failed.status == Status.FAILED and "3 attempts" in (failed.error or "")


def test_a_pending_job_is_cancelled_at_once_and_a_running_one_is_asked(database: Database) -> None:
    running, pending = _enqueue(database, 1, JobKind.PROCESS), _enqueue(database, 2, JobKind.PROCESS)
    queue.claim(database)
    with database.write() as session:
        queue.request_cancel(session, queue.find(session, str(pending)))
        queue.request_cancel(session, queue.find(session, "艾莉森"))
    assert _job(database, pending).status == Status.CANCELLED
    assert (_job(database, running).status, _job(database, running).cancel_requested) == (Status.RUNNING, True)
    queue.recover(database, Limits())
    assert _job(database, running).status == Status.CANCELLED


def test_an_unknown_job_or_character_is_told(database: Database) -> None:
    with database.read() as session, pytest.raises(NotFoundError, match="nobody"):
        queue.find(session, "nobody")


class QueueMachine(RuleBasedStateMachine):
    """Random histories of clients, workers and crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.database = _database(Path(self.folder.name), "a", "b", "c")
        self.limits = Limits(max_attempts=3, retry_seconds=0)
        self.asked: set[int] = set()

    def _running(self) -> Job | None:
        with self.database.read() as session:
            return session.exec(select(Job).where(Job.status == Status.RUNNING)).first()

    @rule(character=st.integers(1, 3), kind=st.sampled_from(JobKind), origin=st.sampled_from(Origin))
    def enqueue(self, character: int, kind: JobKind, origin: Origin) -> None:
        with self.database.write() as session:
            self.asked.add(queue.enqueue(session, character, kind, origin).id or 0)

    @rule()
    def claim(self) -> None:
        busy = self._running() is not None
        claimed = queue.claim(self.database)
        assert not (busy and claimed)

    @rule(how=st.sampled_from(["finish", "fail", "crash", "resource", "stop", "daemon dies"]))
    def end(self, how: str) -> None:
        job = self._running()
        if job is None:
            return
        if how == "daemon dies":
            queue.recover(self.database, self.limits)
            return
        with self.database.write() as session:
            row = session.get_one(Job, job.id)
            match how:
                case "finish":
                    queue.finish(session, row, Verdict(Status.COMPLETED))
                case "fail":
                    queue.finish(session, row, FAILED)
                case "crash":
                    queue.retry_or_fail(session, row, self.limits, FAILED)
                case "resource":
                    queue.wait_for_resource(session, row, self.limits, FAILED)
                case "stop":
                    queue.requeue(session, row, "stopped")

    @rule(data=st.data())
    def cancel_or_retry(self, data: st.DataObject) -> None:
        if self.asked:
            job_id = data.draw(st.sampled_from(sorted(self.asked)))
            with self.database.write() as session:
                job = session.get_one(Job, job_id)
                if data.draw(st.booleans()):
                    queue.request_cancel(session, job)
                else:
                    self.asked.add(queue.retry(session, job).id or 0)

    @invariant()
    def nothing_is_lost_doubled_or_tried_without_end(self) -> None:
        with self.database.read() as session:
            jobs = session.exec(select(Job)).all()
            finished = session.exec(select(Event.job_id).where(col(Event.kind) == "job.finished")).all()
        assert {job.id for job in jobs} == self.asked
        assert sum(job.status == Status.RUNNING for job in jobs) <= 1
        assert all(0 <= job.attempt <= 3 for job in jobs)
        ended = sorted(job.id for job in jobs if job.status not in queue.ACTIVE and job.id)
        assert sorted(each for each in finished if each) == ended

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = hypothesis_settings(max_examples=15, stateful_step_count=25, deadline=None)
