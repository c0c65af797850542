"""Comparing the records with the bytes on the disk."""

from __future__ import annotations

import os

import pytest

from daemon import verify
from daemon.tables import Status
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"


@pytest.fixture
def trained(installation: Installation) -> Installation:
    """A character with a recording, processed and trained."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    return installation


def check(installation: Installation, kind: JobKind) -> verify.Verdict:
    world = installation.world
    return verify.check(world.database, world.settings, world.layout, installation.now(NAME), kind)


def problems(installation: Installation) -> list[tuple[str, str]]:
    world = installation.world
    found = verify.verify(world.database, world.settings, world.layout, installation.now(NAME))
    return [(problem.path, problem.what) for problem in found]


def test_unharmed_files_verify(trained: Installation) -> None:
    assert problems(trained) == []
    assert check(trained, JobKind.PROCESS).status is Status.COMPLETED
    assert check(trained, JobKind.TRAIN).status is Status.COMPLETED


@pytest.mark.parametrize("asked", ["verify", "check"])
def test_one_changed_byte_is_found_even_when_size_and_time_agree(trained: Installation, asked: str) -> None:
    path = next((trained.layout.character(NAME) / "sliced_audio").iterdir())
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    if asked == "verify":
        assert problems(trained) == [(f"sliced_audio/{path.name}", "changed")]
        return
    verdict = check(trained, JobKind.PROCESS)
    assert verdict.status is Status.OUTDATED
    assert path.name in verdict.message


def test_what_was_harmed_is_made_anew_by_the_next_job(trained: Installation) -> None:
    path = next((trained.layout.character(NAME) / "sliced_audio").iterdir())
    path.write_bytes(b"harmed")
    check(trained, JobKind.PROCESS)
    assert trained.state(NAME).status is Status.OUTDATED
    trained.work(NAME, JobKind.PROCESS)
    assert problems(trained) == []
    assert trained.state(NAME).status is Status.COMPLETED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_a_missing_model_outdates_the_training_only(trained: Installation) -> None:
    next(trained.layout.models(NAME).iterdir()).unlink()
    assert check(trained, JobKind.PROCESS).status is Status.COMPLETED
    assert check(trained, JobKind.TRAIN).status is Status.OUTDATED


def test_a_missing_recording_is_found(trained: Installation) -> None:
    (trained.layout.raw_audio(NAME) / "a.wav").unlink()
    assert problems(trained) == [("raw_audio/a.wav", "missing")]


def test_nothing_made_yet_is_pending(installation: Installation) -> None:
    installation.character(NAME)
    assert check(installation, JobKind.PROCESS).status is Status.PENDING
    installation.record(NAME, "a.wav")
    assert check(installation, JobKind.PROCESS).status is Status.PENDING


def test_a_new_recording_names_the_steps_to_be_done(trained: Installation) -> None:
    trained.record(NAME, "b.wav", b"b")
    verdict = check(trained, JobKind.PROCESS)
    assert verdict.status is Status.OUTDATED
    assert "convert_audio" in verdict.message


def test_a_queued_job_is_told(trained: Installation) -> None:
    trained.enqueue(NAME, JobKind.PROCESS)
    assert check(trained, JobKind.PROCESS).status is Status.PENDING
