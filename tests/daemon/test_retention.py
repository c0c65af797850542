"""What goes when its time is over, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from daemon import retention
from daemon.settings import InferenceSettings, LogSettings
from daemon.tables import Event, Inference, Status, now
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


def test_looking_changes_nothing(world: World) -> None:
    first = retention.find(world)
    assert first.size_bytes == 100 + 3
    assert retention.find(world) == first
    assert all(path.exists() for path in first.files)
