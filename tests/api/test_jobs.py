"""Jobs over REST: what they did, how long they still take, stopping them and trying again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from litestar.testing import TestClient

from daemon import queue
from daemon.recorder import Recorder
from daemon.tables import Job, Status
from pipeline.protocol import Message, MessageType
from pipeline.steps import JobKind, StepName
from tests.daemon.installation import Installation

NAME = "小明"
STEPS = (StepName.CONVERT_AUDIO, StepName.SLICE_AUDIO, StepName.DENOISE_AUDIO, StepName.ASR_TRANSCRIBE)


@pytest.fixture
def installed(installation: Installation) -> Installation:
    """小明 with four recordings."""
    installation.character(NAME)
    for number in range(4):
        installation.record(NAME, f"{number}.wav", f"{number}".encode())
    return installation


def running(installed: Installation, kind: JobKind = JobKind.PROCESS) -> Job:
    installed.enqueue(NAME, kind)
    job = queue.claim(installed.database)
    assert job is not None
    return job


def report(step: StepName, seconds: float, redone: int, dropped: Sequence[dict[str, str]] = ()) -> Message:
    data = {"step": step, "items_in": 4, "items_out": 4 - len(dropped), "redone": redone, "dropped": list(dropped)}
    return Message(MessageType.STEP_FINISHED, {**data, "seconds": seconds, "note": "a note"})


def begun(step: StepName, work: float) -> Message:
    return Message(MessageType.STEP_STARTED, {"step": step, "items": 4, "work": work})


def record(installed: Installation, job: Job, *messages: Message) -> None:
    """Have the daemon's recorder write what a worker says in one attempt."""
    recorder = Recorder(installed.database, job, STEPS)
    for message in messages:
        recorder.take(message)
    assert recorder.flush()


def finish(installed: Installation, job: Job, status: Status = Status.COMPLETED) -> None:
    with installed.database.write() as session:
        queue.finish(session, session.get_one(Job, job.id), queue.Verdict(status))


def detail_of(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def test_jobs_are_listed_newest_first_and_filtered(client: TestClient, installed: Installation) -> None:
    installed.character("b")
    installed.work(NAME, JobKind.PROCESS)
    installed.work(NAME, JobKind.TRAIN, Status.FAILED)
    installed.enqueue("b", JobKind.PROCESS)

    def listed(query: str = "") -> list[tuple[str, str, str]]:
        answer = client.get(f"jobs{query}")
        assert answer.status_code == 200, answer.text
        return [(job["character_name"], job["kind"], job["status"]) for job in answer.json()["jobs"]]

    everything = [("b", "process", "pending"), (NAME, "train", "failed"), (NAME, "process", "completed")]
    assert listed() == everything
    assert listed(f"?character={NAME}") == everything[1:]
    assert listed("?kind=process") == [everything[0], everything[2]]
    assert listed("?status=failed") == [everything[1]]
    assert listed("?limit=1&offset=1") == [everything[1]]
    assert "nobody" in detail_of(client.get("jobs?character=nobody"), 404)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1", "kind=x", "status=done"])
def test_a_filter_that_means_nothing_is_refused(client: TestClient, query: str) -> None:
    assert query.split("=")[0] in detail_of(client.get(f"jobs?{query}"), 400)


def test_a_job_tells_of_each_step_what_went_in_and_out_and_why_items_were_dropped(
    client: TestClient, installed: Installation
) -> None:
    job = running(installed)
    record(
        installed,
        job,
        begun(STEPS[0], 4),
        report(STEPS[0], 2.5, 4, [{"item": "3.wav", "reason": "silent"}]),
        begun(STEPS[1], 3),
        Message(MessageType.PROGRESS, {"step": STEPS[1], "done": 1, "total": 4}),
    )
    shown = client.get(f"jobs/{job.id}").json()
    first, second, third = shown["steps"][:3]
    assert [step["step"] for step in shown["steps"]] == list(STEPS)
    assert (first["status"], first["seconds"], first["progress"]) == ("completed", 2.5, 100.0)
    assert (first["items_in"], first["items_out"], first["redone"]) == (4, 3, 4)
    assert first["dropped"] == [{"item": "3.wav", "reason": "silent"}]
    assert first["completed_at"]
    assert (second["status"], second["progress"], second["completed_at"]) == ("running", 25.0, None)
    assert (third["status"], third["started_at"]) == ("pending", None)
    assert (shown["status"], shown["current_step"], shown["attempt"]) == ("running", STEPS[1], 1)


def test_the_time_of_a_step_adds_up_over_attempts(client: TestClient, installed: Installation) -> None:
    job = running(installed)
    record(installed, job, begun(STEPS[0], 4), report(STEPS[0], 2.0, 3))
    record(installed, job, begun(STEPS[0], 1), report(STEPS[0], 0.5, 1))
    step = client.get(f"jobs/{job.id}").json()["steps"][0]
    assert (step["seconds"], step["redone"]) == (2.5, 4)


def test_the_time_left_follows_from_earlier_jobs(client: TestClient, installed: Installation) -> None:
    first = running(installed)
    assert client.get(f"jobs/{first.id}").json()["seconds_left"] is None  # there is nothing to go by
    # given a job in which 2 recordings took 2 s to convert and 4 s to slice, and 6 clips 12 s and 60 s
    for step, work, seconds in zip(STEPS, (2, 2, 6, 6), (2.0, 4.0, 12.0, 60.0), strict=True):
        record(installed, first, begun(step, work), report(step, seconds, work))
    finish(installed, first)
    # when one with twice as many recordings waits, then it takes twice as long
    with installed.database.write() as session:
        second = queue.retry(session, session.get_one(Job, first.id))
    assert client.get(f"jobs/{second.id}").json()["seconds_left"] == 2 * (2 + 4 + 12 + 60)
    # and what is done no longer counts
    claimed = queue.claim(installed.database)
    assert claimed is not None
    record(installed, claimed, begun(STEPS[0], 4), report(STEPS[0], 4.0, 4))
    assert client.get(f"jobs/{claimed.id}").json()["seconds_left"] == 2 * (4 + 12 + 60)
    # and a step that runs slower than before is believed
    half = Message(MessageType.PROGRESS, {"step": STEPS[1], "done": 2, "total": 4})
    record(installed, claimed, begun(STEPS[1], 4), half)
    left = client.get(f"jobs/{claimed.id}").json()["seconds_left"]
    assert 2 * (12 + 60) <= left < 2 * (12 + 60) + 4
    finish(installed, claimed)
    assert client.get(f"jobs/{claimed.id}").json()["seconds_left"] is None


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(
    client: TestClient, installed: Installation
) -> None:
    waiting = installed.enqueue(NAME, JobKind.PROCESS)
    cancelled = client.post(f"jobs/{waiting.id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert client.post(f"jobs/{waiting.id}/cancel").json()["status"] == "cancelled"
    job = running(installed)
    asked = client.post(f"jobs/{job.id}/cancel").json()
    assert (asked["status"], asked["cancel_requested"]) == ("running", True)
    finish(installed, job)
    assert "completed" in detail_of(client.post(f"jobs/{job.id}/cancel"), 409)


def test_an_ended_job_is_tried_again_as_a_new_one(client: TestClient, installed: Installation) -> None:
    installed.work(NAME, JobKind.PROCESS, Status.FAILED)
    old = client.get("jobs").json()["jobs"][0]
    new = client.post(f"jobs/{old['job_id']}/retry")
    assert (new.status_code, new.json()["status"], new.json()["kind"]) == (200, "pending", "process")
    assert new.json()["job_id"] > old["job_id"]
    assert client.post(f"jobs/{old['job_id']}/retry").json()["job_id"] == new.json()["job_id"]
    assert "pending" in detail_of(client.post(f"jobs/{new.json()['job_id']}/retry"), 409)


def test_a_training_is_not_tried_again_before_the_audio_is_processed(
    client: TestClient, installed: Installation
) -> None:
    installed.work(NAME, JobKind.PROCESS)
    installed.work(NAME, JobKind.TRAIN, Status.FAILED)
    installed.record(NAME, "more.wav", b"more")
    job = client.get("jobs").json()["jobs"][0]
    assert "audio/process" in detail_of(client.post(f"jobs/{job['job_id']}/retry"), 409)


def test_the_log_is_shown_from_its_end_without_the_work_directory(client: TestClient, installed: Installation) -> None:
    job = running(installed)
    assert client.get(f"jobs/{job.id}/log").json() == {"job_id": job.id, "lines": [], "size_bytes": 0}
    path = installed.layout.logs / f"job-{job.id}.log"
    path.with_name(f"{path.name}.1").write_text("older 1\nolder 2\n", encoding="utf-8")
    path.write_text(f"first\n读 {installed.layout.work_dir}/characters/x\nlast\n", encoding="utf-8")
    with installed.database.write() as session:
        session.get_one(Job, job.id).log_path = f"logs/{path.name}"
    lines = client.get(f"jobs/{job.id}/log").json()["lines"]
    assert lines == ["older 1", "older 2", "first", "读 characters/x", "last"]
    assert client.get(f"jobs/{job.id}/log?tail=2").json()["lines"] == ["读 characters/x", "last"]
    assert client.get(f"jobs/{job.id}/log?tail=4").json()["lines"][0] == "older 2"


def test_training_curves_grow(client: TestClient, installed: Installation) -> None:
    installed.work(NAME, JobKind.PROCESS)
    job = running(installed, JobKind.TRAIN)
    empty = client.get(f"jobs/{job.id}/metrics").json()
    assert [(curve["step"], curve["points"]) for curve in empty["curves"]] == [("train_sovits", []), ("train_gpt", [])]
    path = installed.layout.experiment(NAME) / "logs_s2_nano" / "metrics.jsonl"
    path.parent.mkdir(parents=True)
    lines = [{"step": n, "epoch": 1, "mel": 1 / n, "kl": None, "seconds": n * 0.5} for n in range(1, 6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 6, "ep', encoding="utf-8")
    sovits = client.get(f"jobs/{job.id}/metrics").json()["curves"][0]
    assert [point["step"] for point in sovits["points"]] == [1, 2, 3, 4, 5]
    assert sovits["points"][1] == {"step": 2, "epoch": 1, "seconds": 1.0, "values": {"mel": 0.5, "kl": None}}
    later = client.get(f"jobs/{job.id}/metrics?step=train_sovits&after=3").json()["curves"]
    assert [[point["step"] for point in curve["points"]] for curve in later] == [[4, 5]]


@pytest.mark.parametrize("path", ["", "/log", "/metrics"])
@pytest.mark.parametrize("number", ["7", "9223372036854775807", "99999999999999999999999", "0", "-1", "x"])
def test_a_job_that_does_not_exist_is_404(client: TestClient, number: str, path: str) -> None:
    answer = client.get(f"jobs/{number}{path}")
    assert answer.status_code in (400, 404)
    assert set(answer.json()) == {"status_code", "detail"}
