"""Versions of a voice: kept side by side, switched, noted, deleted, retired."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlmodel import select

from daemon import characters, inferences, queue, versions
from daemon.inferences import InferenceRequest
from daemon.recorder import Recorder
from daemon.tables import Job, Status, Voice
from daemon.world import World
from pipeline.protocol import Message, MessageType
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"


@dataclass(frozen=True, slots=True)
class Studio:
    """小明, whose trainings end as they are told to."""

    installation: Installation
    client: TestClient[Any]

    def train(self, version: str, gpt: str | None = None) -> int:
        """Finish a training that leads to a version; `gpt` names the other file when it is shared."""
        installed = self.installation
        installed.enqueue(NAME, JobKind.TRAIN)
        job = queue.claim(installed.database)
        assert job is not None
        models = installed.layout.models(NAME)
        models.mkdir(exist_ok=True)
        sovits, ckpt = f"{NAME}-{version}_e1_s1", f"{NAME}-{gpt or version}-e1"
        for name in (f"{sovits}.pth", f"{ckpt}.ckpt"):
            (models / name).write_text(version)
        point = {"step": 1, "epoch": 1, "seconds": 0.5, "loss": 2.0}
        (models / f"{sovits}.metrics.jsonl").write_text(json.dumps(point) + "\n")
        recorder = Recorder(installed.database, job, ())
        paths = {"sovits_path": f"models/{sovits}.pth", "gpt_path": f"models/{ckpt}.ckpt"}
        data = {"family": "nano", "input_hash": version, "trained_from": "random weights", **paths}
        recorder.take(Message(MessageType.VOICE, {**data, "metrics": {"gpt": {"epochs": 1}}, "config": {"seed": 7}}))
        recorder.flush()
        with installed.database.write() as session:
            queue.finish(session, session.get_one(Job, job.id), queue.Verdict(Status.COMPLETED))
        return next(voice["voice_id"] for voice in self.voices() if voice["input_hash"] == version)

    def voices(self) -> list[dict[str, Any]]:
        answer = self.client.get(f"characters/{NAME}/voices")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["voices"]
        return found

    def active(self) -> list[int]:
        return [voice["voice_id"] for voice in self.voices() if voice["active"]]

    def files(self) -> set[str]:
        return {path.name for path in self.installation.layout.models(NAME).iterdir()}


@pytest.fixture
def studio(installation: Installation, client: TestClient[Any]) -> Studio:
    installation.character(NAME)
    return Studio(installation, client)


def detail_of(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def test_each_training_is_a_version_and_the_newest_speaks(studio: Studio) -> None:
    first, second = studio.train("aaaaaaaa"), studio.train("bbbbbbbb")
    newest, oldest = studio.voices()
    assert (newest["voice_id"], newest["active"]) == (second, True)
    assert (oldest["voice_id"], oldest["active"], oldest["on_disk"]) == (first, False, True)
    assert (newest["config"], newest["metrics"]) == ({"seed": 7}, {"gpt": {"epochs": 1}})
    assert newest["sovits_model_path"] == f"characters/{NAME}/models/{NAME}-bbbbbbbb_e1_s1.pth"
    assert studio.client.get(f"characters/{NAME}/voices/{first}").json() == oldest
    curves = studio.client.get(f"characters/{NAME}/voices/{first}/metrics").json()["curves"]
    assert curves[0]["points"] == [{"step": 1, "epoch": 1, "seconds": 0.5, "values": {"loss": 2.0}}]


def test_a_person_switches_and_a_training_without_news_leaves_the_choice(studio: Studio) -> None:
    first, second = studio.train("aaaaaaaa"), studio.train("bbbbbbbb")
    url = f"characters/{NAME}/voices/{first}/activate"
    assert studio.client.post(url).json()["active"] is True
    assert studio.active() == [first]
    status = studio.client.get(f"characters/{NAME}/training/status").json()
    assert status["sovits_model_path"].endswith("-aaaaaaaa_e1_s1.pth")
    assert studio.train("bbbbbbbb") == second  # found nothing to do
    assert studio.active() == [first]
    third = studio.train("cccccccc")
    assert studio.active() == [third]
    assert studio.train("aaaaaaaa") == first  # trained again, because the recordings are as they were then
    assert studio.active() == [first]
    assert [voice["voice_id"] for voice in studio.voices()] == [first, third, second]


def test_a_version_without_its_files_does_not_speak(studio: Studio) -> None:
    first, second = studio.train("aaaaaaaa"), studio.train("bbbbbbbb")
    (studio.installation.layout.models(NAME) / f"{NAME}-aaaaaaaa-e1.ckpt").unlink()
    assert "disk" in detail_of(studio.client.post(f"characters/{NAME}/voices/{first}/activate"), 409)
    assert studio.active() == [second]


def test_a_note_is_kept(studio: Studio) -> None:
    url = f"characters/{NAME}/voices/{studio.train('aaaaaaaa')}"
    assert studio.client.put(url, json={"note": "很好 🎙"}).json()["note"] == "很好 🎙"
    assert studio.client.get(url).json()["note"] == "很好 🎙"
    assert "note" in detail_of(studio.client.put(url, json={"note": "x" * 2001}), 400)
    assert "text" in detail_of(studio.client.put(url, json={"note": "", "text": 1}), 400)


def test_a_deleted_version_takes_only_its_own_files(studio: Studio) -> None:
    first = studio.train("aaaaaaaa")
    second = studio.train("bbbbbbbb", gpt="aaaaaaaa")
    assert "speaks" in detail_of(studio.client.delete(f"characters/{NAME}/voices/{second}"), 409)
    assert studio.client.delete(f"characters/{NAME}/voices/{first}").json()["success"] is True
    assert studio.files() == {
        f"{NAME}-bbbbbbbb_e1_s1.pth", f"{NAME}-bbbbbbbb_e1_s1.metrics.jsonl", f"{NAME}-aaaaaaaa-e1.ckpt",
    }  # fmt: skip
    detail_of(studio.client.get(f"characters/{NAME}/voices/{first}"), 404)
    # and its number is never given again
    assert studio.train("cccccccc") > second


def test_deleting_what_the_last_training_made_outdates_it(studio: Studio) -> None:
    installed = studio.installation
    installed.record(NAME, "a.wav", b"a")
    first = studio.train("aaaaaaaa")
    installed.work(NAME, JobKind.PROCESS)
    installed.work(NAME, JobKind.TRAIN)
    newest = studio.voices()[0]["voice_id"]
    studio.client.post(f"characters/{NAME}/voices/{first}/activate").raise_for_status()
    assert studio.client.get(f"characters/{NAME}/training/status").json()["status"] == "completed"
    studio.client.delete(f"characters/{NAME}/voices/{newest}").raise_for_status()
    assert studio.client.get(f"characters/{NAME}/training/status").json()["status"] == "outdated"


def test_a_sentence_names_its_version_which_then_stays(studio: Studio) -> None:
    first, second = studio.train("aaaaaaaa"), studio.train("bbbbbbbb")
    body = {"target_text": "hi", "character_name": NAME, "voice_version": first}
    queued = studio.client.post("inference", json=body)
    assert queued.status_code == 200, queued.text
    assert "version 99" in detail_of(studio.client.post("inference", json={**body, "voice_version": 99}), 404)
    assert "sentence" in detail_of(studio.client.delete(f"characters/{NAME}/voices/{first}"), 409)
    with studio.installation.database.read() as session:
        character = characters.get(session, NAME)
        row = inferences.get(session, queued.json()["inference_id"])
        assert inferences.speaking_voice(session, character, row.request["voice_version"]).id == first
        assert inferences.speaking_voice(session, character).id == second
    assert InferenceRequest(**row.request).voice_version == first


def test_old_versions_are_retired_but_never_the_one_that_speaks(studio: Studio) -> None:
    numbers = [studio.train(f"{n:08x}") for n in range(6)]
    studio.client.post(f"characters/{NAME}/voices/{numbers[0]}/activate").raise_for_status()
    world = studio.installation.world
    training = world.settings.training.model_copy(update={"keep_versions": 2})
    few = World(world.database, world.settings.model_copy(update={"training": training}), world.layout)
    assert versions.retire(few, studio.installation.now(NAME).id or 0) == 3
    assert [voice["voice_id"] for voice in studio.voices()] == [numbers[5], numbers[4], numbers[0]]
    assert len(studio.files()) == 9


def test_versions_follow_a_new_name(studio: Studio) -> None:
    number = studio.train("aaaaaaaa")
    studio.client.put(f"characters/{NAME}", json={"new_name": "小红"}).raise_for_status()
    voice = studio.client.get(f"characters/小红/voices/{number}").json()
    assert (voice["on_disk"], voice["gpt_model_path"]) == (True, "characters/小红/models/小红-aaaaaaaa-e1.ckpt")
    assert (studio.installation.layout.models("小红") / "小红-aaaaaaaa_e1_s1.metrics.jsonl").exists()


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/activate"), ("GET", "/metrics")])
def test_a_version_of_nobody_or_of_another_is_404(studio: Studio, method: str, rest: str) -> None:
    number = studio.train("aaaaaaaa")
    studio.installation.character("b")
    for url in (f"characters/b/voices/{number}", f"characters/nobody/voices/{number}", f"characters/{NAME}/voices/99"):
        detail_of(studio.client.request(method, f"{url}{rest}"), 404)
    with studio.installation.database.read() as session:
        assert session.exec(select(Voice.active)).all() == [True]
