"""kill -9 at any moment, then a start: nothing lost, nothing twice, nothing left behind."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from typing import Any

import psutil
import pytest

KILLS = 24
STEPS = (
    "convert_audio",
    "slice_audio",
    "denoise_audio",
    "asr_transcribe",
    "extract_text_features",
    "extract_audio_features",
    "extract_speaker_vectors",
    "extract_semantic_features",
    "train_sovits",
    "train_gpt",
)


def _step_reached(service: Any, step: str) -> bool:
    """A boundary: the job is in this step or has passed it."""
    running = service.rows("SELECT step FROM job WHERE status = 'running'")
    finished = service.rows("SELECT data FROM event WHERE kind = 'step.finished'")
    passed = {json.loads(row["data"])["step"] for row in finished}
    return step in passed or any(row["step"] == step for row in running)


def _check(service: Any, name: str, recordings: int) -> None:
    """Nothing lost, nothing twice: recordings, jobs, results and steps of training."""
    for kind in ("audio", "training"):
        service.until(
            lambda kind=kind: service.call("GET", f"/characters/{name}/{kind}/status")[1].get("status") == "completed",
            f"{kind} to be completed after the kill",
            timeout_s=300,
        )
    raw = service.work_dir / "characters" / name / "raw_audio"
    assert len([p for p in raw.iterdir() if p.suffix == ".flac"]) == recordings
    assert len(service.rows("SELECT id FROM audiofile")) == recordings
    assert not list((service.inbox / name).glob("*.flac"))
    assert not service.rows("SELECT id FROM job WHERE status IN ('pending', 'running', 'failed')")
    assert len(service.rows("SELECT id FROM voice WHERE active")) == 1
    connection = sqlite3.connect(service.work_dir / "sovits.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    assert not service.rows("SELECT job_id FROM event WHERE kind = 'job.finished' GROUP BY job_id HAVING COUNT(*) > 1")
    assert not service.rows("SELECT id FROM artifact GROUP BY character_id, step, item HAVING COUNT(*) > 1")
    curves = list((service.work_dir / "characters" / name).glob("experiments/*/logs_*/metrics.jsonl"))
    assert len(curves) == 2
    for curve in curves:
        steps = [json.loads(line)["step"] for line in curve.read_text(encoding="utf-8").splitlines()]
        assert steps == list(range(1, len(steps) + 1)), f"{curve.parent.name}: a step twice or missing"
    status, answer = service.call("GET", f"/characters/{name}/training/check_status")
    assert (status, answer["status"]) == (200, "completed")


@pytest.mark.slow
@pytest.mark.timeout(1700)
def test_the_daemon_is_killed_at_every_step_boundary(service: Any, clip_names: list[str]) -> None:
    name = "杀不死"
    # given that so many interruptions in a row, seconds apart, do not count as a job that cannot be done
    service.variables["SOVITS_TRAINING__MAX_ATTEMPTS"] = "30"
    service.start()
    service.drop(name, *clip_names[:3])
    for step in STEPS:
        # when the daemon is killed as soon as a step is reached
        service.until(lambda step=step: _step_reached(service, step), f"step {step}", timeout_s=240)
        service.kill()
        # then its children end by themselves
        service.until(lambda: not service.processes(), "the children to end with the daemon")
        service.start()
    # and after the last start the voice is there, made of every recording once
    _check(service, name, 3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_worker_is_killed_and_the_job_goes_on(service: Any, clip_names: list[str]) -> None:
    name = "worker"
    service.variables["SOVITS_TRAINING__MAX_ATTEMPTS"] = "6"
    service.start()
    service.drop(name, *clip_names[:3])
    for step in ("convert_audio", "asr_transcribe", "train_sovits", "train_gpt"):
        service.until(lambda step=step: _step_reached(service, step), f"step {step}", timeout_s=240)
        for row in service.rows("SELECT pid FROM job WHERE status = 'running' AND pid IS NOT NULL"):
            if psutil.pid_exists(row["pid"]):
                psutil.Process(row["pid"]).send_signal(signal.SIGKILL)
    _check(service, name, 3)


@pytest.mark.slow
@pytest.mark.timeout(1700)
def test_whatever_is_killed_at_whatever_moment_all_ends_as_it_should(service: Any, clip_names: list[str]) -> None:
    name = "随时"
    service.variables["SOVITS_TRAINING__MAX_ATTEMPTS"] = "100"
    service.start()
    moments = random.Random(1)
    # given recordings that come in while processes die
    waiting = clip_names[:4]
    dropped = len(waiting)
    service.drop(name, waiting.pop())
    for number in range(KILLS):
        # when the daemon, the worker and the API are killed in turn, each at a moment of its own
        time.sleep(moments.uniform(0.0, 5.0))
        _kill(service, ("daemon", "worker", "api")[number % 3])
        if waiting and number % 6 == 5:
            service.drop(name, waiting.pop(), config=None)
    # then every recording is there once, and every job came to its end once
    service.until(lambda: _is_quiet(service, name, dropped), "all jobs to end", timeout_s=600)
    _check(service, name, dropped)


def _kill(service: Any, who: str) -> None:
    if who == "daemon":
        service.kill()
        service.until(lambda: not service.processes(), "the children to end with the daemon")
        service.start()
        return
    module = {"worker": "pipeline", "api": "daemon.api_server"}[who]
    for process in service.processes():
        if module in process.cmdline():
            process.kill()


def _is_quiet(service: Any, name: str, recordings: int) -> bool:
    """All recordings are taken and a training that began after that is over."""
    taken = service.rows("SELECT id FROM audiofile")
    training = service.call("GET", f"/characters/{name}/training/status")[1]
    waiting = service.rows("SELECT id FROM job WHERE status IN ('pending', 'running')")
    return len(taken) == recordings and not waiting and training.get("status") == "completed"


def test_the_api_is_killed_and_comes_back(service: Any) -> None:
    # given a running service
    service.start()
    assert service.call("POST", "/characters", {"character_name": "回来"})[0] == 200
    # when the API process is killed
    api = [p for p in service.processes() if "daemon.api_server" in p.cmdline()]
    assert api
    for process in api:
        process.kill()
    # then it answers again, and nothing is lost
    service.until(lambda: _names(service) == ["回来"], "the API to come back")


def _names(service: Any) -> list[str]:
    try:
        status, answer = service.call("GET", "/characters")
    except OSError:
        return []
    return [each["character_name"] for each in answer] if status == 200 else []
