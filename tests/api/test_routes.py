"""The contract, route by route."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlmodel import select

from api.app import create_app
from daemon import inferences, queue
from daemon.layout import Layout
from daemon.settings import load_settings
from daemon.tables import Job
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"
CONFIG = {
    "character_name": NAME,
    "language": "zh",
    "batch_size": 16,
    "epochs_s2": 50,
    "epochs_s1": 15,
    "gpu_id": "0",
    "enable_denoise": True,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@pytest.fixture
def voiced(installation: Installation) -> Installation:
    """小明 with one recording, processed and trained."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    return installation


def refusal(answer: Any, status: int) -> str:
    """Return the sentence of an error, whose body holds exactly the two fields."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"status_code", "detail"}
    assert body["status_code"] == status
    assert "\n" not in body["detail"]
    assert body["detail"]
    return str(body["detail"])


def test_a_character_is_created_with_defaults_and_becomes_the_default(client: TestClient) -> None:
    answer = client.post("characters", json={"character_name": NAME})
    assert answer.status_code == 200
    info = answer.json()
    assert {key: info["config"][key] for key in CONFIG} == CONFIG
    assert TIME.fullmatch(info["created_at"])
    assert TIME.fullmatch(info["updated_at"])
    rest = {key: value for key, value in info.items() if key not in ("config", "created_at", "updated_at")}
    assert rest == {
        "character_name": NAME,
        "audio_count": 0,
        "audio_processing_status": "pending",
        "training_status": "pending",
        "model_exists": False,
        "is_default": True,
    }
    assert client.get(f"characters/{NAME}").json() == info
    assert client.get("characters").json() == [info]
    assert client.get("default_character").json() == {"default_character": NAME}


def test_a_full_config_is_kept(client: TestClient) -> None:
    config = {**CONFIG, "language": "en", "epochs_s1": 3, "gpu_id": "0-1-2", "enable_denoise": False}
    info = client.post("characters", json={"character_name": NAME, "config": config}).json()
    assert {key: info["config"][key] for key in config} == config


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"character_name": "a/b"}, "character_name"),
        ({"character_name": ".."}, "character_name"),
        ({"character_name": ""}, "character_name"),
        ({"character_name": "a", "colour": 1}, "colour"),
        ({"character_name": "a", "config": {"colour": 1}}, "colour"),
        ({"character_name": "a", "config": {"batch_size": 0}}, "config.batch_size"),
        ({"character_name": "a", "config": {"epochs_s1": "x"}}, "config.epochs_s1"),
        ({"character_name": "a", "config": {"language": "xx"}}, "config.language"),
        ({"character_name": "a", "config": {"character_name": "b"}}, "config.character_name"),
        ({"character_name": 5}, "character_name"),
        ({}, "character_name"),
    ],
)
def test_a_wrong_field_is_refused_by_name(client: TestClient, body: dict[str, Any], field: str) -> None:
    assert field in refusal(client.post("characters", json=body), 400)
    assert client.get("characters").json() == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"'])
def test_a_body_that_is_no_json_object_is_refused(client: TestClient, content: bytes) -> None:
    refusal(client.post("characters", content=content, headers={"content-type": "application/json"}), 400)


def test_an_existing_character_is_refused_with_409(client: TestClient) -> None:
    client.post("characters", json={"character_name": NAME})
    assert NAME in refusal(client.post("characters", json={"character_name": NAME}), 409)


UNKNOWN = [
    ("GET", "characters/nobody"),
    ("PUT", "characters/nobody"),
    ("DELETE", "characters/nobody"),
    ("POST", "characters/nobody/set_default"),
    ("POST", "characters/nobody/audio/upload"),
    ("GET", "characters/nobody/audio/files"),
    ("DELETE", "characters/nobody/audio/files/a.wav"),
    ("POST", "characters/nobody/audio/process"),
    ("GET", "characters/nobody/audio/status"),
    ("GET", "characters/nobody/audio/check_status"),
    ("POST", "characters/nobody/training/start"),
    ("GET", "characters/nobody/training/status"),
    ("GET", "characters/nobody/training/check_status"),
    ("POST", "characters/nobody/training/clean"),
    ("GET", "characters/nobody/download/a.wav"),
    ("GET", "inference/0123"),
    ("GET", "inference/0123/download"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_what_is_unknown_is_404_on_every_route(client: TestClient, method: str, path: str) -> None:
    body = {"json": {"new_name": "b"}} if method == "PUT" else {}
    refusal(client.request(method, path, **body), 404)


def test_an_unknown_address_and_a_wrong_method_have_the_same_body(client: TestClient) -> None:
    refusal(client.get("http://testserver.local/nothing/here"), 404)
    refusal(client.get("nothing"), 404)
    refusal(client.patch(f"characters/{NAME}"), 405)


def test_renaming_deleting_and_the_default(client: TestClient) -> None:
    for name in (NAME, "b"):
        client.post("characters", json={"character_name": name})
    renamed = client.put(f"characters/{NAME}", json={"new_name": "小红"})
    assert renamed.status_code == 200
    assert (renamed.json()["character_name"], renamed.json()["config"]["character_name"]) == ("小红", "小红")
    refusal(client.get(f"characters/{NAME}"), 404)
    refusal(client.put("characters/小红", json={"new_name": "b"}), 409)
    refusal(client.put("characters/小红", json={"new_name": "../b"}), 400)
    done = client.post("characters/b/set_default")
    assert (done.status_code, done.json()["success"]) == (200, True)
    assert client.get("default_character").json() == {"default_character": "b"}
    assert client.delete("characters/b").json()["success"] is True
    assert client.get("default_character").json() == {"default_character": "小红"}
    client.delete("characters/小红")
    assert client.get("default_character").json() == {"default_character": None}


def test_recordings_are_listed_and_deleted(client: TestClient, installation: Installation) -> None:
    installation.character(NAME)
    for name in ("b 长.wav", "a.wav"):
        installation.record(NAME, name, name.encode())
    files = client.get(f"characters/{NAME}/audio/files").json()
    assert [file["filename"] for file in files] == ["a.wav", "b 长.wav"]
    assert files[0]["file_path"] == f"characters/{NAME}/raw_audio/a.wav"
    assert (files[0]["file_size"], files[0]["duration"]) == (5, 5.0)
    assert TIME.fullmatch(files[0]["created_at"])
    assert set(files[0]) == {"filename", "file_path", "file_size", "created_at", "modified_at", "duration"}
    deleted = client.delete(f"characters/{NAME}/audio/files/b 长.wav").json()
    assert (deleted["filename"], deleted["success"]) == ("b 长.wav", True)
    assert len(client.get(f"characters/{NAME}/audio/files").json()) == 1
    assert client.get(f"characters/{NAME}").json()["audio_count"] == 1


def test_processing_is_queued_once(client: TestClient, installation: Installation) -> None:
    installation.character(NAME)
    refusal(client.post(f"characters/{NAME}/audio/process"), 409)
    installation.record(NAME, "a.wav")
    first = client.post(f"characters/{NAME}/audio/process")
    assert first.status_code == 200
    assert first.json() == {
        "character_name": NAME,
        "status": "pending",
        "current_step": None,
        "progress": 0.0,
        "started_at": None,
        "completed_at": None,
        "error_message": None,
        "processed_audio_count": 0,
    }
    queue.claim(installation.database)
    assert client.post(f"characters/{NAME}/audio/process").json()["status"] == "running"
    with installation.database.read() as session:
        assert len(session.exec(select(Job)).all()) == 1


def test_training_before_processing_says_what_to_do_first(client: TestClient, installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    assert "audio/process" in refusal(client.post(f"characters/{NAME}/training/start"), 409)


def test_status_follows_the_job_from_request_to_request(client: TestClient, installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    words = [client.get(f"characters/{NAME}/audio/status").json()["status"]]
    client.post(f"characters/{NAME}/audio/process")
    words.append(client.get(f"characters/{NAME}/audio/status").json()["status"])
    queue.claim(installation.database)
    words.append(client.get(f"characters/{NAME}/audio/status").json()["status"])
    with installation.database.write() as session:
        job = session.exec(select(Job)).one()
        job.progress = 33.0
        session.add(job)
    assert client.get(f"characters/{NAME}/audio/status").json()["progress"] == 33.0
    assert words == ["pending", "pending", "running"]


def test_training_is_started_followed_and_cleaned(client: TestClient, voiced: Installation) -> None:
    info = client.get(f"characters/{NAME}/training/status").json()
    assert (info["status"], info["progress"]) == ("completed", 100.0)
    assert info["gpt_model_path"] == f"characters/{NAME}/models/{NAME}-e1.ckpt"
    assert info["sovits_model_path"] == f"characters/{NAME}/models/{NAME}_e1_s1.pth"
    assert client.get(f"characters/{NAME}").json()["model_exists"] is True
    assert client.get(f"characters/{NAME}/training/check_status").json()["status"] == "completed"
    assert client.get(f"characters/{NAME}/audio/check_status").json()["status"] == "completed"
    assert client.post(f"characters/{NAME}/training/start").json()["status"] == "pending"
    assert client.post(f"characters/{NAME}/training/clean").json()["success"] is True
    after = client.get(f"characters/{NAME}/training/status").json()
    assert (after["status"], after["gpt_model_path"]) == ("pending", None)
    assert client.get(f"characters/{NAME}/audio/status").json()["status"] == "completed"


def test_a_new_recording_outdates_but_the_model_stays(client: TestClient, voiced: Installation) -> None:
    voiced.record(NAME, "b.wav", b"b")
    info = client.get(f"characters/{NAME}").json()
    assert (info["audio_processing_status"], info["training_status"]) == ("outdated", "outdated")
    assert info["model_exists"] is True
    assert client.get(f"characters/{NAME}/download/{NAME}-e1.ckpt").status_code == 200


def test_a_sentence_is_queued_listed_and_downloaded(client: TestClient, voiced: Installation) -> None:
    body = {"target_text": "你好，世界", "ref_language": "中文", "target_language": "中文", "output_name": "x"}
    info = client.post("inference", json=body).json()
    assert set(info) == {
        "inference_id", "character_name", "target_text", "status", "created_at", "completed_at", "output_path",
        "error_message", "progress",
    }  # fmt: skip
    assert (info["character_name"], info["status"], info["progress"]) == (NAME, "pending", 0.0)
    later = client.post("inference", json={"target_text": "再见", "character_name": NAME}).json()
    assert [each["inference_id"] for each in client.get("inference").json()] == [
        later["inference_id"],
        info["inference_id"],
    ]
    refusal(client.get(f"inference/{info['inference_id']}/download"), 409)
    row = inferences.claim(voiced.database)
    assert row is not None
    (voiced.layout.work_dir / inferences.output_path(row)).write_bytes(b"RIFF sound")
    inferences.finish(voiced.database, row.id, {})
    shown = client.get(f"inference/{row.id}").json()
    assert (shown["status"], shown["progress"]) == ("completed", 100.0)
    answer = client.get(f"inference/{row.id}/download")
    assert answer.content == b"RIFF sound"
    assert f"_{row.id[:8]}.wav" in answer.headers["content-disposition"]
    assert "UTF-8''%E5%B0%8F%E6%98%8E_" in answer.headers["content-disposition"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target_text": ""}, "target_text"),
        ({"target_language": "Klingon"}, "target_language"),
        ({"ref_audio": "/etc/passwd"}, "ref_audio"),
        ({"pitch": 2}, "pitch"),
    ],
)
def test_a_sentence_that_cannot_be_spoken_is_refused(
    client: TestClient, voiced: Installation, change: dict[str, Any], field: str
) -> None:
    assert field in refusal(client.post("inference", json={"target_text": "你好", **change}), 400)


CHINESE_WORDS = "中文 英文 日文 粤语 韩文 中英混合 日英混合 粤英混合 韩英混合 多语种混合 多语种混合(粤语)"
OTHER_WORDS = "Chinese english ja ko yue zh"


@pytest.mark.parametrize("language", [*CHINESE_WORDS.split(), *OTHER_WORDS.split()])
def test_every_language_word_of_the_contract_is_accepted(
    client: TestClient, voiced: Installation, language: str
) -> None:
    body = {"target_text": "x", "target_language": language, "ref_language": language}
    assert client.post("inference", json=body).status_code == 200


def test_nobody_can_speak_without_a_trained_voice(client: TestClient) -> None:
    refusal(client.post("inference", json={"target_text": "hi"}), 404)
    client.post("characters", json={"character_name": NAME})
    assert "training" in refusal(client.post("inference", json={"target_text": "hi"}), 409)


def test_a_body_over_the_limit_is_413(client: TestClient) -> None:
    refusal(client.post("characters", json={"character_name": "x" * 1_100_000}), 413)


def test_before_the_daemon_prepared_the_database_the_answer_is_503(tmp_path: Any) -> None:
    overrides = {("paths", "work_dir"): tmp_path / "w", ("paths", "inbox_dir"): tmp_path / "i"}
    settings = load_settings(environment={}, overrides=overrides).settings
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        answer = client.get("/api/v1/characters")
        assert "daemon" in refusal(answer, 503)
        assert answer.headers["retry-after"]
        assert client.get("/").status_code == 200
        Layout.of(settings).create()
        refusal(client.get("/api/v1/characters/x/audio/status"), 503)


def test_an_unexpected_failure_shows_nothing_of_the_inside(client: TestClient, installation: Installation) -> None:
    with installation.database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE inference")
    sentence = refusal(client.get("inference"), 503)
    assert "inference" not in sentence
    installation.character(NAME)
    with installation.database.write() as session:
        session.connection().exec_driver_sql("UPDATE character SET config = '[]'")
    sentence = refusal(client.get(f"characters/{NAME}"), 500)
    assert "/" not in sentence
    assert "config" not in sentence
