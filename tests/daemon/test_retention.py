"""What goes when its time is over, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from daemon import characters, retention
from daemon.settings import InferenceSettings, LogSettings
from daemon.tables import Event, Inference, SpeechBatch, Status, Voice, now
from daemon.world import World
from pipeline.steps import JobKind
from tests.daemon.installation import opened


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One old and one new sentence, one old event, five logs; sentences are kept ten days and two logs."""
    with opened(tmp_path) as installation:
        installation.character("a")
        installation.record("a", "a.wav")
        installation.work("a", JobKind.PROCESS)
        settings = installation.world.settings.model_copy(
            update={"inference": InferenceSettings(keep_days=10), "log": LogSettings(keep_job_logs=2)}
        )
        layout = installation.layout
        with installation.database.write() as session:
            for name, days in (("old", 11), ("new", 1), ("waiting", 11)):
                (layout.inference / f"{name}.wav").write_bytes(b"x" * 100)
                session.add(
                    Inference(
                        id=name, character_id=None, character_name="a", target_text="x", request={},
                        status=Status.PENDING if name == "waiting" else Status.COMPLETED,
                        created_at=now() - timedelta(days=days), output_path=f"inference/{name}.wav",
                    )
                )  # fmt: skip
            session.add(Event(kind="old", at=now() - timedelta(days=100), character_id=None))
            session.add(Event(kind="new", character_id=None))
        for number in range(5):
            (layout.logs / f"job-{number}.log").write_text("x")
        yield World(installation.database, settings, layout)


def test_what_is_past_its_time_goes_and_the_rest_stays(world: World) -> None:
    raw = list(world.layout.characters.rglob("*"))
    litter = retention.tidy(world)
    assert (litter.events, litter.inferences) == (1, ("old",))
    assert sorted(path.name for path in world.layout.inference.iterdir()) == ["new.wav", "waiting.wav"]
    assert len(list(world.layout.logs.glob("job-*.log"))) == 2
    with world.database.read() as session:
        assert set(session.exec(select(Inference.id)).all()) == {"new", "waiting"}
        assert "old" not in session.exec(select(Event.kind)).all()
    assert list(world.layout.characters.rglob("*")) == raw
    assert not retention.find(world)


def test_a_batch_goes_with_the_last_of_its_sentences_and_its_archive_with_it(world: World) -> None:
    # given a batch that is old as a whole, one with a sentence that is still kept, and one emptied before
    with world.database.write() as session:
        for batch, days in (("gone", (11, 12)), ("kept", (11, 1)), ("emptied", ())):
            session.add(SpeechBatch(id=batch, character_name="a", sound_format="wav", names=["1", "2"]))
            session.flush()
            (world.layout.inference / f"{batch}.zip").write_bytes(b"zip")
            for position, age in enumerate(days):
                session.add(
                    Inference(
                        id=f"{batch}{position}", character_name="a", target_text="x", request={}, batch_id=batch,
                        batch_position=position, status=Status.COMPLETED, created_at=now() - timedelta(days=age),
                    )
                )  # fmt: skip
    assert set(retention.tidy(world).batches) == {"gone", "emptied"}
    assert [path.name for path in world.layout.inference.glob("*.zip")] == ["kept.zip"]
    with world.database.read() as session:
        assert session.exec(select(SpeechBatch.id)).all() == ["kept"]
        assert "kept1" in session.exec(select(Inference.id)).all()


def test_more_sentences_than_one_statement_holds_go_at_once(world: World) -> None:
    old, facts = now() - timedelta(days=20), {"character_name": "a", "target_text": "x", "request": {}}
    with world.database.write() as session:
        session.add_all(
            Inference(id=f"{number:032}", status=Status.FAILED, created_at=old, **facts) for number in range(1200)
        )
    assert len(retention.tidy(world).inferences) == 1201
    assert not retention.find(world)


def test_versions_beyond_those_that_are_kept_go_but_never_the_one_that_speaks(world: World) -> None:
    with world.database.write() as session:
        character = characters.get(session, "a")
        assert character.id is not None
        folder = world.layout.models("a")
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            (folder / f"{number}.pth").write_bytes(b"x")
            session.add(
                Voice(
                    character_id=character.id, family="nano", sovits_path=f"models/{number}.pth",
                    gpt_path=f"models/{number}.pth", input_hash="", trained_from="x", metrics={}, active=number == 0,
                    created_at=now() - timedelta(days=10 - number),
                )
            )  # fmt: skip
    training = world.settings.training.model_copy(update={"keep_versions": 1})
    strict = World(world.database, world.settings.model_copy(update={"training": training}), world.layout)
    assert retention.find(strict).versions == 2
    assert len(list(folder.iterdir())) == 4
    retention.tidy(strict)
    assert sorted(path.name for path in folder.iterdir()) == ["0.pth", "3.pth"]
    assert not retention.find(strict)


def test_looking_changes_nothing(world: World) -> None:
    first = retention.find(world)
    assert first.size_bytes == 100 + 3
    assert retention.find(world) == first
    assert all(path.exists() for path in first.files)
