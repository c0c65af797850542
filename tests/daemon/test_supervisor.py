"""Supervision: every way in which a worker can end has one meaning, and no process outlives its job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, delete, select

from daemon import attempt, migrate, processes, queue
from daemon.database import Database
from daemon.exits import Action, Asked, Ending, decide
from daemon.layout import Layout
from daemon.settings import load_settings
from daemon.supervisor import JobSupervisor
from daemon.tables import Artifact, Character, Event, Job, JobStep, Origin, Status, Voice, now
from daemon.world import World
from pipeline.steps import JobKind
from tests.waiting import until

STAND_IN = Path(__file__).parent / "stand_in_worker.py"


class Bench:
    """A work directory with one character, and a supervisor for workers that behave as told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.database = Database(folder / "sovits.db")
        migrate.upgrade(self.database)
        with self.database.write() as session:
            session.add(Character(name="艾莉森_1", config={}))

    def supervisor(self, *behaviours: str, **training: object) -> JobSupervisor:
        overrides = {("training", key): value for key, value in training.items()}
        paths = {("paths", "work_dir"): self.folder / "work", ("paths", "inbox_dir"): self.folder / "inbox"}
        settings = load_settings(None, {**paths, **overrides}, {}).settings
        layout = Layout.of(settings)
        layout.create()
        command = (sys.executable, str(STAND_IN), str(self.runs), ",".join(behaviours))
        return JobSupervisor(World(self.database, settings, layout), command)

    def enqueue(self, kind: JobKind = JobKind.PROCESS, origin: Origin = Origin.API) -> int:
        with self.database.write() as session:
            job = queue.enqueue(session, 1, kind, origin)
            assert job.id is not None
            return job.id

    def run(self, *behaviours: str, **training: object) -> Job:
        """Queue a job and work until nothing is left to do at once; return the job."""
        job_id = self.enqueue()
        supervisor = self.supervisor(*behaviours, **training)
        while supervisor.turn():
            pass
        return self.job(job_id)

    def job(self, job_id: int) -> Job:
        with self.database.read() as session:
            job = session.get(Job, job_id)
            assert job is not None
            return job

    def rows(self, query: Callable[[Session], list[object]]) -> list[object]:
        with self.database.read() as session:
            return query(session)

    def pids(self) -> list[int]:
        return [int(pid) for line in self.started() for pid in line.split()]

    def started(self) -> list[str]:
        return self.runs.read_text().splitlines() if self.runs.exists() else []

    def wait_for_start(self, starts: int = 1) -> None:
        until(lambda: len(self.started()) >= starts)


def gone(pids: list[int]) -> bool:
    return not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.database.close()
    assert gone(made.pids())


def test_a_worker_that_is_done_completes_its_job_and_all_it_reported_is_on_record(bench: Bench) -> None:
    job = bench.run("done")
    assert (job.status, job.progress, job.attempt, job.pid, job.error) == (Status.COMPLETED, 100.0, 1, None, None)
    kinds = bench.rows(lambda session: list(session.exec(select(Event.kind).order_by(col(Event.id))).all()))
    assert [kind for kind in kinds if str(kind).startswith(("job", "step"))] == [
        "job.queued", "job.started", "step.finished", "job.finished",
    ]  # fmt: skip
    (step,) = bench.rows(lambda session: list(session.exec(select(JobStep)).all()))
    assert isinstance(step, JobStep)
    assert (step.job_id, step.step, step.progress, step.items_in, step.redone) == (job.id, "convert_audio", 100.0, 1, 1)
    assert step.completed_at is not None


def test_processing_that_began_by_itself_is_followed_by_training_and_one_that_was_asked_for_is_not(
    bench: Bench,
) -> None:
    supervisor = bench.supervisor("done")
    bench.enqueue(origin=Origin.API)
    assert supervisor.turn() and not supervisor.turn()
    bench.enqueue(origin=Origin.INBOX)
    assert supervisor.turn() and supervisor.turn() and not supervisor.turn()
    kinds = bench.rows(lambda session: list(session.exec(select(Job.kind).order_by(col(Job.id))).all()))
    assert kinds == ["process", "process", "train"]


def test_without_auto_train_no_training_follows(bench: Bench) -> None:
    supervisor = bench.supervisor("done", auto_train=False)
    bench.enqueue(origin=Origin.INBOX)
    assert supervisor.turn() and not supervisor.turn()


def test_a_voice_reported_again_stays_the_one_and_a_new_one_takes_its_place(bench: Bench) -> None:
    for behaviour in ("done-a", "done-a", "done-b"):
        bench.enqueue(JobKind.TRAIN)
        assert bench.supervisor(behaviour).turn()
    rows = bench.rows(lambda session: list(session.exec(select(Voice.input_hash, Voice.active)).all()))
    assert rows == [("-a", False), ("-b", True)]


def test_a_permanent_error_fails_the_job_at_once_with_the_workers_sentence(bench: Bench) -> None:
    job = bench.run("permanent")
    assert (job.status, job.error_code, job.error) == (Status.FAILED, "training_data", "no clip is left to train on")
    assert len(bench.started()) == 1


@pytest.mark.parametrize(("origin", "status"), [(Origin.INBOX, Status.CANCELLED), (Origin.API, Status.FAILED)])
def test_a_training_that_new_recordings_overtook_fails_only_if_somebody_asked_for_it(
    bench: Bench, origin: Origin, status: Status
) -> None:
    job_id = bench.enqueue(JobKind.TRAIN, origin)
    assert bench.supervisor("not_processed").turn()
    job = bench.job(job_id)
    assert job.status == status
    assert job.error is not None
    assert ("starts anew after the next processing" in job.error) == (origin is Origin.INBOX)


def test_a_lack_of_room_puts_the_job_back_for_later_without_counting(bench: Bench) -> None:
    job = bench.run("resource", retry_seconds=60)
    assert (job.status, job.attempt, job.error) == (Status.PENDING, 0, "the disk is full; free some space")
    assert job.not_before is not None and 50 < (job.not_before - now()).total_seconds() <= 60
    assert len(bench.started()) == 1


def test_a_job_that_lacked_room_is_completed_when_there_is_some(bench: Bench) -> None:
    job = bench.run("resource", "resource", "resource", "resource", "done", retry_seconds=0, max_attempts=1)
    assert (job.status, len(bench.started())) == (Status.COMPLETED, 5)


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        ("kill", "killed", "the worker was killed"),
        ("segfault", "native_crash", "the worker crashed with SIGSEGV; its last words: Fatal: 内存 went wrong"),
        ("incomplete", "incomplete", "before the job was complete"),
    ],
)
def test_a_crash_is_tried_again_and_given_up_when_it_keeps_happening(
    bench: Bench, behaviour: str, code: str, words: str
) -> None:
    job = bench.run(behaviour, max_attempts=3)
    assert (job.status, job.error_code, len(bench.started())) == (Status.FAILED, code, 3)
    assert words in (job.error or "") and "given up after 3 attempts without progress" in (job.error or "")


def test_a_job_that_gets_further_each_time_is_never_given_up(bench: Bench) -> None:
    job = bench.run(*["progress_then_kill"] * 5, "done", max_attempts=2)
    assert (job.status, len(bench.started())) == (Status.COMPLETED, 6)


def test_a_program_that_cannot_be_started_fails_the_job_with_a_reason(bench: Bench) -> None:
    job_id = bench.enqueue()
    supervisor = bench.supervisor("done", max_attempts=2)
    supervisor._command = ("/nowhere/python", "-m", "pipeline")
    while supervisor.turn():
        pass
    job = bench.job(job_id)
    assert job.status == Status.FAILED and "No such file" in (job.error or "")


def test_cancelling_ends_a_worker_that_does_not_listen_with_its_children_after_the_grace_time(bench: Bench) -> None:
    job_id = bench.enqueue()
    supervisor = bench.supervisor("hang", cancel_grace_s=0.5)
    supervisor.start()
    bench.wait_for_start()
    # when the job is cancelled
    _cancel(bench, job_id)
    until(lambda: bench.job(job_id).status == Status.CANCELLED)
    # then worker and child are gone by the time the job says so
    assert gone(bench.pids()) and len(bench.pids()) == 2
    _stop(supervisor)


def test_cancelling_lets_a_worker_that_listens_leave_by_itself(bench: Bench) -> None:
    job_id = bench.enqueue()
    supervisor = bench.supervisor("patient", cancel_grace_s=60)
    supervisor.start()
    bench.wait_for_start()
    _cancel(bench, job_id)
    until(lambda: bench.job(job_id).status == Status.CANCELLED)
    assert bench.rows(lambda session: list(session.exec(select(Artifact.item)).all())) == ["片段 1.wav"]
    _stop(supervisor)


def test_stopping_the_service_puts_the_running_job_back_without_counting(bench: Bench) -> None:
    job_id = bench.enqueue()
    supervisor = bench.supervisor("patient", "done")
    supervisor.start()
    bench.wait_for_start()
    _stop(supervisor)
    assert (bench.job(job_id).status, bench.job(job_id).attempt) == (Status.PENDING, 0)
    assert gone(bench.pids())
    # and the next service completes it
    assert bench.supervisor("patient", "done").turn()
    assert bench.job(job_id).status == Status.COMPLETED


def test_a_job_whose_character_is_deleted_while_it_runs_is_ended(bench: Bench) -> None:
    bench.enqueue()
    supervisor = bench.supervisor("silent")
    supervisor.start()
    bench.wait_for_start()
    with bench.database.write() as session:
        session.execute(delete(Character))
    until(lambda: gone(bench.pids()))
    # and the lane goes on
    with bench.database.write() as session:
        session.add(Character(id=1, name="bob", config={}))
    job_id = bench.enqueue()
    bench.wait_for_start(2)
    _cancel(bench, job_id)
    until(lambda: bench.job(job_id).status == Status.CANCELLED)
    _stop(supervisor)


def test_a_line_without_an_end_ends_the_worker(bench: Bench) -> None:
    job = bench.run("long_line", max_attempts=1)
    assert job.status == Status.FAILED and "too long" in (job.error or "")


def test_a_worker_without_a_sign_of_life_is_ended(bench: Bench) -> None:
    job = bench.run("silent", max_attempts=1, stall_seconds=1)
    assert job.status == Status.FAILED and "no sign of life" in (job.error or "")


def test_stray_output_does_no_harm(bench: Bench) -> None:
    assert bench.run("chatty").status == Status.COMPLETED
    log = next((bench.folder / "work" / "logs").glob("job-*.log"))
    assert log.read_text() == "progress 1 %\nprogress 2 %\n"


def test_a_worker_that_is_done_may_take_its_time_to_leave(bench: Bench) -> None:
    job = bench.run("late_exit")
    assert (job.status, len(bench.started())) == (Status.COMPLETED, 1)


def test_a_worker_that_is_done_but_does_not_leave_is_ended_and_its_job_is_completed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LINGER_S", 0.5)
    job = bench.run("stuck_exit")
    assert (job.status, len(bench.started())) == (Status.COMPLETED, 1)


def test_an_orphan_of_an_earlier_daemon_is_ended_and_nobody_else(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    marked = {**os.environ, processes.MARKER: str(tmp_path)}
    other = {**os.environ, processes.MARKER: str(tmp_path / "another")}
    orphan = subprocess.Popen(sleeper, env=marked, start_new_session=True)
    stranger = subprocess.Popen(sleeper, env=other, start_new_session=True)
    try:
        until(lambda: processes.kill_orphans(tmp_path) == 1)
        assert gone([orphan.pid])
        assert stranger.poll() is None
        assert processes.kill_orphans(tmp_path) == 0
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


endings = st.builds(
    Ending,
    code=st.integers(-64, 255),
    done=st.booleans(),
    asked=st.none() | st.sampled_from(Asked),
    error_code=st.none() | st.text(max_size=5),
    error_sentence=st.none() | st.text(max_size=20),
    error_kind=st.none() | st.sampled_from(["permanent", "retryable", "resource", "", "?"]),
    last_lines=st.lists(st.text(max_size=400), max_size=3).map(tuple),
)


@given(endings)
def test_every_ending_has_a_meaning(ending: Ending) -> None:
    decision = decide(ending)
    status, sentence = decision.verdict.status, decision.verdict.sentence
    assert (status == Status.COMPLETED) == ending.done
    assert (status in (Status.COMPLETED, Status.CANCELLED)) == (sentence is None)
    if decision.action is Action.FINISH:
        assert status in (Status.COMPLETED, Status.CANCELLED, Status.FAILED)


def _cancel(bench: Bench, job_id: int) -> None:
    with bench.database.write() as session:
        queue.request_cancel(session, queue.find(session, str(job_id)))


def _stop(supervisor: JobSupervisor) -> None:
    supervisor.stop()
    supervisor.join(20)
    assert not supervisor.is_alive()
