"""The status words: what they say in each situation, and what makes which step stale."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from daemon import characters, events, queue, recordings, staleness
from daemon.character_config import parse
from daemon.tables import AudioFile, Character, Job, Status, TranscriptEdit
from pipeline.steps import JobKind, StepName
from tests.daemon.installation import Installation

NAME = "小明"


@pytest.fixture
def trained(installation: Installation) -> Installation:
    """A character with two recordings, processed and trained."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.record(NAME, "b.wav", b"b")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    return installation


def stale(installation: Installation, kind: JobKind) -> dict[str, int]:
    with installation.database.read() as session:
        character = characters.get(session, NAME)
        steps = staleness.explain(session, installation.world.settings, character, kind)
    return {step.step.value: len(step.stale) for step in steps if step.stale}


def configure(installation: Installation, **changes: Any) -> None:
    with installation.database.write() as session:
        config = parse(changes, installation.world.settings)
        characters.set_config(session, characters.get(session, NAME), config)


def test_a_character_that_never_ran_is_pending(installation: Installation) -> None:
    installation.character(NAME)
    for kind in JobKind:
        state = installation.state(NAME, kind)
        assert (state.status, state.progress, state.started_at) == (Status.PENDING, 0.0, None)


def test_a_queued_job_is_pending_and_a_running_one_running_with_its_step(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    installation.enqueue(NAME, JobKind.PROCESS)
    assert installation.state(NAME).status is Status.PENDING
    job = queue.claim(installation.database)
    with installation.database.write() as session:
        row = session.get_one(Job, job.id)
        row.step, row.progress = StepName.SLICE_AUDIO.value, 41.5
        session.add(row)
    state = installation.state(NAME)
    assert (state.status, state.current_step, state.progress) == (Status.RUNNING, "slice_audio", 41.5)
    assert state.started_at is not None
    assert state.completed_at is None


def test_a_completed_job_is_completed_at_100_percent(trained: Installation) -> None:
    for kind in JobKind:
        state = trained.state(NAME, kind)
        assert (state.status, state.progress, state.error_message) == (Status.COMPLETED, 100.0, None)
        assert state.completed_at is not None


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_job_that_ended_otherwise_says_so(installation: Installation, status: Status) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    installation.work(NAME, JobKind.PROCESS, status)
    state = installation.state(NAME)
    assert state.status is status
    assert state.error_message == ("it did not work" if status is Status.FAILED else None)


def test_a_new_recording_outdates_both_jobs(trained: Installation) -> None:
    trained.record(NAME, "c.wav", b"c")
    assert trained.state(NAME).status is Status.OUTDATED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.OUTDATED
    assert stale(trained, JobKind.PROCESS)["convert_audio"] == 1


def test_a_deleted_recording_outdates_and_putting_it_back_makes_current_again(trained: Installation) -> None:
    recordings.delete_file(trained.database, trained.layout, NAME, "a.wav")
    assert trained.state(NAME).status is Status.OUTDATED
    trained.record(NAME, "a.wav", b"a")
    assert trained.state(NAME).status is Status.COMPLETED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_changed_gpt_epochs_stale_the_gpt_training_alone(trained: Installation) -> None:
    configure(trained, epochs_s1=3)
    assert trained.state(NAME).status is Status.COMPLETED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.OUTDATED
    assert stale(trained, JobKind.TRAIN) == {"train_gpt": 1}
    configure(trained)
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_another_gpu_stales_nothing(trained: Installation) -> None:
    configure(trained, gpu_id="0-1")
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_a_corrected_transcript_stales_its_clip_and_the_list(trained: Installation) -> None:
    with trained.database.write() as session:
        character = characters.get(session, NAME)
        session.add(TranscriptEdit(character_id=character.id, clip="a.wav_0000000000_0000160000.wav", text="better"))
        events.append(session, "transcript.edited", character_id=character.id)
    assert trained.state(NAME).status is Status.OUTDATED
    assert stale(trained, JobKind.PROCESS) == {"asr_transcribe": 2}
    trained.work(NAME, JobKind.PROCESS)
    assert trained.state(NAME).status is Status.COMPLETED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.OUTDATED


def test_a_word_of_the_dictionary_stales_the_clips_that_hold_it_and_taking_it_out_makes_them_fresh(
    trained: Installation,
) -> None:
    own = trained.layout.dictionaries(NAME)[-1]
    own.write_text("b.wav\ten\tB IY1\n", encoding="utf-8")
    assert trained.state(NAME).status is Status.COMPLETED
    assert trained.state(NAME, JobKind.TRAIN).status is Status.OUTDATED
    assert stale(trained, JobKind.TRAIN)["extract_text_features"] == 3, "two clips and the list"
    own.unlink()
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_a_word_that_no_transcript_holds_stales_nothing(trained: Installation) -> None:
    trained.layout.dictionaries()[0].write_text("zebra\ten\tZ IY1 B R AH0\n", encoding="utf-8")
    assert trained.state(NAME, JobKind.TRAIN).status is Status.COMPLETED
    assert stale(trained, JobKind.TRAIN) == {}


def test_a_transcript_for_a_recording_outdates_it(trained: Installation) -> None:
    with trained.database.write() as session:
        row = recordings.find(session, characters.get(session, NAME), "a.wav")
        recordings.set_transcript(session, row, "what is said", "en")
    assert trained.state(NAME).status is Status.OUTDATED


def test_new_bytes_under_the_same_name_outdate(trained: Installation) -> None:
    with trained.database.write() as session:
        row = recordings.find(session, characters.get(session, NAME), "a.wav")
        assert isinstance(row, AudioFile)
        facts = recordings.RecordingFacts(filename="a.wav", sha256="f" * 64, size_bytes=1, mtime_ns=1)
        recordings.replace(session, row, facts)
    assert trained.state(NAME).status is Status.OUTDATED


def test_processed_recordings_are_counted(trained: Installation) -> None:
    trained.record(NAME, "c.wav", b"c")
    with trained.database.read() as session:
        assert staleness.processed_count(session, characters.get(session, NAME)) == 2


def test_a_second_question_without_a_change_plans_nothing(trained: Installation) -> None:
    trained.state(NAME)
    with trained.database.read() as session:
        character = characters.get(session, NAME)
        statements: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        event.listen(trained.database.engine, "before_cursor_execute", note)
        try:
            staleness.audio_state(session, trained.world.settings, character)
        finally:
            event.remove(trained.database.engine, "before_cursor_execute", note)
    assert statements
    assert not any("FROM artifact" in statement for statement in statements)


def test_a_character_of_the_same_id_in_another_place_has_its_own_answers(trained: Installation) -> None:
    with trained.database.read() as session:
        character = characters.get(session, NAME)
        twin = Character(**{**character.model_dump(), "id": 999})
        assert not staleness.is_complete(session, trained.world.settings, twin, JobKind.PROCESS)
        assert staleness.is_complete(session, trained.world.settings, character, JobKind.PROCESS)
