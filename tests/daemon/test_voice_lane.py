"""The speaking lane: one sentence at a time through a worker that may fail in every way."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from daemon import characters, inferences, migrate
from daemon.character_config import CharacterConfig
from daemon.database import Database
from daemon.layout import Layout
from daemon.settings import load_settings
from daemon.tables import Inference, Status, Voice
from daemon.voice_lane import VoiceLane
from daemon.world import World
from tests.waiting import PATIENCE_S, until

STAND_IN = Path(__file__).parent / "stand_in_voice.py"
TEXT = "你好，世界。"


class Stage:
    """A work directory with a character that has a voice, and a lane for workers that behave as told."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "runs"
        overrides = {
            ("paths", "work_dir"): folder / "work",
            ("paths", "inbox_dir"): folder / "inbox",
            ("inference", "timeout_s"): PATIENCE_S,
        }
        settings = load_settings(None, overrides, {}).settings
        layout = Layout.of(settings)
        layout.create()
        self.world = World(Database(layout.database), settings, layout)
        migrate.upgrade(self.world.database)
        made = characters.create(self.world.database, layout, "角色", CharacterConfig())
        self.reference = layout.raw_audio("角色") / "a.wav"
        self.reference.write_bytes(b"RIFF")
        with self.world.database.write() as session:
            facts = {"family": "nano", "sovits_path": "models/a.pth", "gpt_path": "models/a.ckpt", "input_hash": "a"}
            assert made.id is not None
            session.add(Voice(character_id=made.id, trained_from="random weights", metrics={}, **facts))

    def allow(self, timeout_s: float) -> None:
        """Let a sentence take so long at most."""
        inference = self.world.settings.inference.model_copy(update={"timeout_s": timeout_s})
        self.world = replace(self.world, settings=self.world.settings.model_copy(update={"inference": inference}))

    def lane(self, *behaviours: str) -> VoiceLane:
        return VoiceLane(self.world, (sys.executable, str(STAND_IN), str(self.runs), ",".join(behaviours)))

    def ask(self) -> str:
        request = inferences.InferenceRequest(
            target_text=TEXT, character_name="角色", ref_audio=str(self.reference), ref_text="喂"
        )
        return inferences.create(self.world.database, self.world.settings, self.world.layout, request).id

    def get(self, inference_id: str) -> Inference:
        with self.world.database.read() as session:
            return inferences.get(session, inference_id)

    def speak(self, *behaviours: str, sentences: int = 1) -> list[Inference]:
        asked = [self.ask() for _ in range(sentences)]
        lane = self.lane(*behaviours)
        while lane.turn():
            pass
        lane.close()
        return [self.get(each) for each in asked]

    def pids(self) -> list[int]:
        return [int(line) for line in self.runs.read_text().splitlines()] if self.runs.exists() else []


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.world.database.close()
    assert not any(psutil.pid_exists(pid) for pid in made.pids())


def test_sentences_are_spoken_one_after_the_other_by_one_worker(stage: Stage) -> None:
    spoken = stage.speak("speak", sentences=3)
    assert [(each.status, each.progress) for each in spoken] == [(Status.COMPLETED, 100.0)] * 3
    for each in spoken:
        assert each.output_path is not None
        assert (stage.world.layout.work_dir / each.output_path).read_text() == TEXT
        assert each.detail["seconds"] == 1.5
    assert len(set(stage.pids())) == 1


def test_a_refusal_is_passed_on_and_the_next_sentence_is_spoken(stage: Stage) -> None:
    first, second = stage.speak("refuse", "speak", sentences=2)
    assert (first.status, first.error_message) == (Status.FAILED, "nothing can be spoken")
    assert second.status == Status.COMPLETED


def test_after_one_crash_the_sentence_is_tried_again_with_a_new_worker(stage: Stage) -> None:
    (spoken,) = stage.speak("crash", "speak")
    assert spoken.status == Status.COMPLETED and len(set(stage.pids())) == 2


def test_after_two_crashes_the_sentence_fails_with_the_last_words_and_the_lane_goes_on(stage: Stage) -> None:
    first, second = stage.speak("crash", "crash", "speak", sentences=2)
    assert first.status == Status.FAILED and "twice (Fatal: out of luck)" in (first.error_message or "")
    assert second.status == Status.COMPLETED


def test_a_worker_that_leaves_just_when_a_sentence_comes_is_replaced(stage: Stage) -> None:
    (spoken,) = stage.speak("leave", "speak")
    assert spoken.status == Status.COMPLETED


def test_a_sentence_that_takes_too_long_fails_and_names_the_setting(stage: Stage) -> None:
    stage.allow(5)
    first, second = stage.speak("hang", "speak", sentences=2)
    assert first.status == Status.FAILED and "inference.timeout_s" in (first.error_message or "")
    assert second.status == Status.COMPLETED


def test_answers_to_other_requests_and_stray_output_are_passed_over(stage: Stage) -> None:
    (spoken,) = stage.speak("stray")
    assert spoken.status == Status.COMPLETED and spoken.detail["seconds"] == 1.5


def test_a_character_without_its_reference_fails_with_a_sentence(stage: Stage) -> None:
    asked = stage.ask()
    stage.reference.unlink()
    lane = stage.lane("speak")
    assert lane.turn() and not lane.turn()
    assert stage.get(asked).status == Status.FAILED and "ref_audio" in (stage.get(asked).error_message or "")


def test_stopping_ends_the_worker_at_once_and_the_sentence_is_spoken_after_the_next_start(stage: Stage) -> None:
    asked = stage.ask()
    lane = stage.lane("hang", "speak")
    lane.start()
    until(stage.pids, "the worker to start")
    lane.stop()
    lane.join(PATIENCE_S)
    assert not lane.is_alive()
    assert inferences.recover(stage.world.database) == 1
    again = stage.lane("hang", "speak")
    assert again.turn()
    again.close()
    assert stage.get(asked).status == Status.COMPLETED
