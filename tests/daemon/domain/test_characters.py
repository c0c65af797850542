"""Making, choosing, renaming and deleting characters."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from daemon import characters, inferences, queue, removal, renaming
from daemon.aside import Aside
from daemon.character_config import parse
from daemon.errors import BusyError, ConflictError, InvalidInputError, NotFoundError
from daemon.inferences import InferenceRequest
from daemon.tables import Artifact, Character, Event, Job, ServiceState, Status, Voice, now
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"
NEW = "小红"


def default_name(installation: Installation) -> str | None:
    with installation.database.read() as session:
        character = characters.default(session)
        return character.name if character else None


def voiced(installation: Installation, name: str = NAME) -> None:
    installation.character(name)
    installation.record(name, "a.wav")
    installation.work(name, JobKind.PROCESS)
    installation.work(name, JobKind.TRAIN)


def test_the_first_character_is_the_default_and_another_takes_its_place(installation: Installation) -> None:
    installation.character(NAME)
    installation.character("b")
    assert default_name(installation) == NAME
    removal.delete_character(installation.database, installation.layout, NAME)
    assert default_name(installation) == "b"
    removal.delete_character(installation.database, installation.layout, "b")
    assert default_name(installation) is None


def test_only_one_character_is_the_default(installation: Installation) -> None:
    for name in ("a", "b", "c"):
        installation.character(name)
    characters.set_default(installation.database, "c")
    with installation.database.read() as session:
        assert [each.name for each in characters.list_all(session) if each.is_default] == ["c"]


def test_an_existing_name_is_refused_in_any_spelling(installation: Installation) -> None:
    installation.character("\u00e9")
    with pytest.raises(ConflictError, match="exists already"):
        installation.character("e\u0301")


def test_a_new_character_has_its_folders(installation: Installation) -> None:
    installation.character(NAME)
    assert installation.layout.raw_audio(NAME).is_dir()
    assert installation.layout.inbox(NAME).is_dir()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"colour": 1}, "colour: unknown field"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"gpu_id": "0,1"}, "gpu_id"),
        ({"language": "tlh"}, "language"),
        ({"epochs_s1": "5"}, "epochs_s1"),
    ],
)
def test_a_config_that_cannot_be_used_is_refused_naming_the_field(
    installation: Installation, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse(given, installation.world.settings)


def test_a_gpu_number_may_be_written_as_a_number(installation: Installation) -> None:
    assert parse({"gpu_id": 1}, installation.world.settings).gpu_id == "1"


def test_a_rename_takes_everything_along_and_stales_nothing(installation: Installation) -> None:
    voiced(installation)
    (installation.layout.inbox(NAME) / "waiting.wav").write_bytes(b"x")
    renaming.rename(installation.database, installation.layout, NAME, NEW)
    assert installation.state(NEW).status is Status.COMPLETED
    assert installation.state(NEW, JobKind.TRAIN).status is Status.COMPLETED
    assert not installation.layout.character(NAME).exists()
    assert (installation.layout.inbox(NEW) / "waiting.wav").exists()
    assert installation.layout.transcript_list(NEW).is_file()
    with installation.database.read() as session:
        root = installation.layout.character(NEW)
        voice = session.exec(select(Voice)).one()
        assert (root / voice.sovits_path).is_file()
        assert (root / voice.gpt_path).is_file()
        outputs = [output["path"] for row in session.exec(select(Artifact)) for output in row.outputs]
        assert outputs
        assert [path for path in outputs if not (root / path).is_file() or NAME in path] == []


def test_a_rename_that_a_crash_interrupted_is_finished_at_the_next_start(installation: Installation) -> None:
    voiced(installation)
    with installation.database.write() as session:
        character = characters.get(session, NAME)
        character.renaming_to = NEW
        session.add(character)
    installation.layout.character(NAME).rename(installation.layout.character(NEW))  # and here it was killed
    with pytest.raises(BusyError), installation.database.write() as session:
        characters.ensure(session, NEW, parse({}, installation.world.settings))
    renaming.finish_renames(installation.database, installation.layout)
    renaming.finish_renames(installation.database, installation.layout)
    assert installation.state(NEW, JobKind.TRAIN).status is Status.COMPLETED
    assert installation.layout.experiment(NEW).is_dir()


def test_a_rename_to_a_taken_or_illegal_name_is_refused(installation: Installation) -> None:
    installation.character(NAME)
    installation.character("b")
    with pytest.raises(ConflictError):
        renaming.rename(installation.database, installation.layout, NAME, "b")
    with pytest.raises(InvalidInputError):
        renaming.rename(installation.database, installation.layout, NAME, "../b")
    with pytest.raises(NotFoundError):
        renaming.rename(installation.database, installation.layout, "nobody", "c")


def test_a_rename_to_the_same_name_changes_nothing(installation: Installation) -> None:
    installation.character(NAME)
    assert renaming.rename(installation.database, installation.layout, NAME, NAME).name == NAME


def test_a_character_is_not_renamed_while_a_job_of_it_runs(installation: Installation) -> None:
    installation.character(NAME)
    installation.enqueue(NAME, JobKind.PROCESS)
    queue.claim(installation.database)
    with pytest.raises(ConflictError, match="cancel"):
        renaming.rename(installation.database, installation.layout, NAME, NEW)


def test_a_queued_job_follows_a_rename(installation: Installation) -> None:
    installation.character(NAME)
    installation.enqueue(NAME, JobKind.PROCESS)
    renaming.rename(installation.database, installation.layout, NAME, NEW)
    assert installation.state(NEW).status is Status.PENDING
    job = queue.claim(installation.database)
    assert job is not None
    assert job.character_id == installation.now(NEW).id


def test_spoken_sentences_follow_a_rename(installation: Installation) -> None:
    voiced(installation)
    world = installation.world
    made = inferences.create(world.database, world.settings, world.layout, InferenceRequest(target_text="你好"))
    renaming.rename(world.database, world.layout, NAME, NEW)
    with world.database.read() as session:
        row = inferences.get(session, made.id)
        assert row.character_name == NEW
        assert inferences.speak_request(session, world.settings, world.layout, row).sovits_path.endswith(
            f"{NEW}_e1_s1.pth"
        )


def test_deleting_removes_files_and_rows_but_not_what_waits_in_the_inbox(installation: Installation) -> None:
    voiced(installation)
    (installation.layout.inbox(NAME) / "waiting.wav").write_bytes(b"x")
    removal.delete_character(installation.database, installation.layout, NAME)
    assert not installation.layout.character(NAME).exists()
    assert (installation.layout.inbox(NAME) / "waiting.wav").exists()
    assert list(installation.layout.scratch.iterdir()) == []
    with installation.database.read() as session:
        for table in (Character, Artifact, Job, Voice):
            assert session.exec(select(table)).all() == []
        assert session.exec(select(Event).where(Event.kind == "character.deleted")).one().data == {"name": NAME}


def test_an_empty_inbox_folder_goes_with_its_character(installation: Installation) -> None:
    installation.character(NAME)
    removal.delete_character(installation.database, installation.layout, NAME)
    assert not installation.layout.inbox(NAME).exists()


def test_a_deleted_name_can_be_used_again_from_nothing(installation: Installation) -> None:
    voiced(installation)
    removal.delete_character(installation.database, installation.layout, NAME)
    installation.character(NAME)
    assert installation.state(NAME).status is Status.PENDING


def alive(installation: Installation, age: timedelta = timedelta()) -> None:
    with installation.database.write() as session:
        session.merge(ServiceState(key="daemon", value={}, updated_at=now() - age))


def test_deleting_cancels_a_running_job_and_waits_for_the_daemon_to_end_it(installation: Installation) -> None:
    installation.character(NAME)
    installation.enqueue(NAME, JobKind.PROCESS)
    job = queue.claim(installation.database)
    assert job is not None
    alive(installation)

    def daemon() -> None:
        for _ in range(200):
            with installation.database.write() as session:
                row = session.get_one(Job, job.id)
                if row.cancel_requested:
                    return queue.finish(session, row, queue.Verdict(Status.CANCELLED))
            time.sleep(0.02)
        return None

    thread = threading.Thread(target=daemon)
    thread.start()
    removal.delete_character(installation.database, installation.layout, NAME)
    thread.join()
    with pytest.raises(NotFoundError):
        installation.now(NAME)


def test_deleting_says_so_when_a_job_does_not_stop(installation: Installation) -> None:
    installation.character(NAME)
    installation.enqueue(NAME, JobKind.PROCESS)
    queue.claim(installation.database)
    alive(installation)
    with pytest.raises(ConflictError, match="try again"):
        removal.delete_character(installation.database, installation.layout, NAME, wait_s=0.3)


def test_without_a_daemon_a_job_that_was_running_is_simply_deleted(installation: Installation) -> None:
    installation.character(NAME)
    installation.enqueue(NAME, JobKind.PROCESS)
    queue.claim(installation.database)
    alive(installation, timedelta(minutes=5))
    removal.delete_character(installation.database, installation.layout, NAME)
    with pytest.raises(NotFoundError):
        installation.now(NAME)


def test_cleaning_a_training_keeps_the_clips(installation: Installation) -> None:
    voiced(installation)
    removal.clean_training(installation.database, installation.layout, NAME)
    assert installation.state(NAME).status is Status.COMPLETED
    assert installation.state(NAME, JobKind.TRAIN).status is Status.PENDING
    assert not installation.layout.models(NAME).exists()
    assert not installation.layout.experiment(NAME).exists()
    installation.work(NAME, JobKind.TRAIN)
    assert installation.state(NAME, JobKind.TRAIN).status is Status.COMPLETED


def test_what_was_taken_away_returns_when_the_transaction_fails(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    with pytest.raises(RuntimeError), Aside(installation.layout) as aside:
        aside.take(installation.layout.character(NAME))
        assert not installation.layout.character(NAME).exists()
        raise RuntimeError
    assert (installation.layout.raw_audio(NAME) / "a.wav").read_bytes() == b"sound"
