"""A plain `requests` client goes through everything the REST contract offers, for a character named in Chinese."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import soundfile

from tests.e2e.conftest import CLIPS, LiveService

NAME = "小明_音色"
NEW_NAME = "小红-Ünï"
CONFIG = {"language": "en", "epochs_s2": 1, "epochs_s1": 1}
UPLOADS = {"问候 one.flac": "demo-thanks", "问候 two.flac": "tt-allbusy", "third 😀.flac": "vm-newuser"}
FINAL = {"completed", "failed", "cancelled", "outdated"}
AUDIO_STEPS = {"convert_audio", "slice_audio", "denoise_audio", "asr_transcribe"}
TRAINING_STEPS = {
    "extract_text_features",
    "extract_audio_features",
    "extract_speaker_vectors",
    "extract_semantic_features",
    "train_sovits",
    "train_gpt",
}
JOB_FIELDS = {
    "character_name",
    "status",
    "current_step",
    "progress",
    "started_at",
    "completed_at",
    "error_message",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class Client:
    """What people already have: addresses, JSON, and a look at the status code."""

    def __init__(self, service: LiveService) -> None:
        self._base = f"http://127.0.0.1:{service.port}/api/v1"
        self._session = requests.Session()

    def answer(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, self._base + path, timeout=60, **options)

    def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = self.answer(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, **options: Any) -> str:
        answer = self.answer(method, path, **options)
        assert answer.status_code == status, answer.text
        body = answer.json()
        assert set(body) == {"status_code", "detail"}
        assert body["status_code"] == status
        return str(body["detail"])

    def upload(self, character: str, filename: str, clip: str) -> Any:
        content = (CLIPS / f"{clip}.flac").read_bytes()
        files = {"file": (filename, content, "audio/flac")}
        return self.ok("POST", f"/characters/{character}/audio/upload", files=files)

    def poll(self, path: str, look: Callable[[dict[str, Any]], None], timeout_s: float = 400) -> dict[str, Any]:
        """Ask until the status is final, as clients do; every answer on the way is looked at."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            state: dict[str, Any] = self.ok("GET", path)
            look(state)
            if state["status"] in FINAL:
                return state
            time.sleep(0.3)
        pytest.fail(f"{path} did not end within {timeout_s} s; the last answer was {state}")


@pytest.fixture
def client(service: LiveService) -> Client:
    """A client of a service that has just been started."""
    service.start()
    return Client(service)


def test_everything_from_the_first_upload_to_the_last_deletion(client: Client) -> None:
    _create(client)
    _upload(client)
    _process(client)
    _train(client)
    inference_id = _speak(client)
    _download_models(client)
    _add_a_recording(client)
    _rename(client, inference_id)
    _delete(client, inference_id)


def _create(client: Client) -> None:
    assert client.ok("GET", "/characters") == []
    assert client.ok("GET", "/default_character") == {"default_character": None}
    made = client.ok("POST", "/characters", json={"character_name": NAME, "config": CONFIG})
    assert made["character_name"] == NAME
    assert made["config"].items() >= {"character_name": NAME, "batch_size": 16, "gpu_id": "0", **CONFIG}.items()
    assert made["is_default"] is True
    assert made["model_exists"] is False
    assert made["audio_count"] == 0
    assert (made["audio_processing_status"], made["training_status"]) == ("pending", "pending")
    client.refused(409, "POST", "/characters", json={"character_name": NAME})
    client.refused(400, "POST", "/characters", json={"character_name": "../x"})
    client.refused(404, "GET", "/characters/nobody")
    state = client.ok("GET", f"/characters/{NAME}/audio/status")
    assert (state["status"], state["progress"]) == ("pending", 0)


def _upload(client: Client) -> None:
    for filename, clip in UPLOADS.items():
        assert client.upload(NAME, filename, clip)["filename"] == filename
    listed = client.ok("GET", f"/characters/{NAME}/audio/files")
    assert [file["filename"] for file in listed] == sorted(UPLOADS)
    assert all(file["duration"] > 1 and file["file_size"] > 1000 for file in listed)
    sentence = client.refused(409, "POST", f"/characters/{NAME}/training/start")
    assert "process" in sentence


def _process(client: Client) -> None:
    queued = client.ok("POST", f"/characters/{NAME}/audio/process")
    assert queued["status"] in {"pending", "running"}
    steps: set[str] = set()
    state = client.poll(f"/characters/{NAME}/audio/status", _look(steps, "processed_audio_count"))
    assert state["status"] == "completed", state
    assert (state["progress"], state["processed_audio_count"]) == (100, len(UPLOADS))
    assert state["started_at"] <= state["completed_at"]
    assert steps <= AUDIO_STEPS
    checked = client.ok("GET", f"/characters/{NAME}/audio/check_status")
    assert (checked["character_name"], checked["status"]) == (NAME, "completed"), checked


def _train(client: Client) -> None:
    # Before there is a voice the base of the family speaks, in imitation of a recording.
    early = client.ok("POST", "/inference", json={"target_text": "Hello before the training.", "target_language": "en"})
    assert client.poll(f"/inference/{early['inference_id']}", lambda state: None)["status"] == "completed"
    queued = client.ok("POST", f"/characters/{NAME}/training/start")
    assert queued["status"] in {"pending", "running"}
    again = client.ok("POST", f"/characters/{NAME}/training/start")
    assert again["status"] in {"pending", "running"}
    steps: set[str] = set()
    state = client.poll(f"/characters/{NAME}/training/status", _look(steps, "gpt_model_path", "sovits_model_path"))
    assert state["status"] == "completed", state
    assert state["progress"] == 100
    assert state["gpt_model_path"].endswith(".ckpt")
    assert state["sovits_model_path"].endswith(".pth")
    assert steps
    assert steps <= TRAINING_STEPS
    assert client.ok("GET", f"/characters/{NAME}/training/check_status")["status"] == "completed"
    assert client.ok("GET", f"/characters/{NAME}")["model_exists"] is True


def _speak(client: Client) -> str:
    request = {"target_text": "Hello, this is a test.", "target_language": "英文"}
    queued = client.ok("POST", "/inference", json=request)
    assert (queued["character_name"], queued["status"], queued["progress"]) == (NAME, "pending", 0)
    done = client.poll(f"/inference/{queued['inference_id']}", lambda state: None)
    assert done["status"] == "completed", done
    assert done["progress"] == 100
    assert done["output_path"]
    answer = client.answer("GET", f"/inference/{queued['inference_id']}/download")
    assert answer.status_code == 200
    samples, rate_hz = soundfile.read(io.BytesIO(answer.content))
    assert rate_hz == 32_000
    assert len(samples) > 0.2 * rate_hz
    assert queued["inference_id"][:8] in answer.headers["content-disposition"]
    with_reference = {**request, "character_name": NAME, "ref_audio": "问候 two.flac", "output_name": "晚安"}
    second = client.ok("POST", "/inference", json=with_reference)
    assert client.poll(f"/inference/{second['inference_id']}", lambda state: None)["status"] == "completed"
    newest_first = [row["inference_id"] for row in client.ok("GET", "/inference")]
    assert newest_first[:2] == [second["inference_id"], queued["inference_id"]]
    client.refused(400, "POST", "/inference", json={**request, "ref_audio": "/etc/passwd"})
    client.refused(400, "POST", "/inference", json={**request, "target_language": "Klingon"})
    return str(queued["inference_id"])


def _download_models(client: Client) -> None:
    state = client.ok("GET", f"/characters/{NAME}/training/status")
    for field in ("gpt_model_path", "sovits_model_path"):
        filename = Path(state[field]).name
        whole = client.answer("GET", f"/characters/{NAME}/download/{filename}")
        assert whole.status_code == 200
        assert len(whole.content) == int(whole.headers["content-length"]) > 10_000
        # A broken download goes on where it stopped.
        rest = client.answer("GET", f"/characters/{NAME}/download/{filename}", headers={"Range": "bytes=5000-"})
        assert rest.status_code == 206
        assert rest.content == whole.content[5000:]
    client.refused(404, "GET", f"/characters/{NAME}/download/..%2F..%2Fsovits.db")


def _add_a_recording(client: Client) -> None:
    """What is new makes both jobs outdated; the voice stays."""
    client.upload(NAME, "later.flac", "vm-nobox")
    assert client.ok("GET", f"/characters/{NAME}/audio/status")["status"] == "outdated"
    character = client.ok("GET", f"/characters/{NAME}")
    assert (character["training_status"], character["model_exists"]) == ("outdated", True)
    deleted = client.ok("DELETE", f"/characters/{NAME}/audio/files/later.flac")
    assert (deleted["filename"], deleted["success"]) == ("later.flac", True)
    client.refused(404, "DELETE", f"/characters/{NAME}/audio/files/later.flac")
    assert client.ok("GET", f"/characters/{NAME}/audio/status")["status"] == "completed"


def _rename(client: Client, inference_id: str) -> None:
    renamed = client.ok("PUT", f"/characters/{NAME}", json={"new_name": NEW_NAME})
    assert renamed["character_name"] == NEW_NAME
    assert renamed["is_default"] is True
    assert (renamed["audio_count"], renamed["model_exists"]) == (len(UPLOADS), True)
    assert (renamed["audio_processing_status"], renamed["training_status"]) == ("completed", "completed")
    client.refused(404, "GET", f"/characters/{NAME}")
    assert client.ok("GET", f"/inference/{inference_id}")["character_name"] == NEW_NAME
    for job in ("audio", "training"):
        assert client.ok("GET", f"/characters/{NEW_NAME}/{job}/check_status")["status"] == "completed"
    state = client.ok("GET", f"/characters/{NEW_NAME}/training/status")
    filename = Path(state["sovits_model_path"]).name
    assert client.answer("GET", f"/characters/{NEW_NAME}/download/{filename}").status_code == 200
    spoken = client.ok("POST", "/inference", json={"target_text": "Still me.", "target_language": "en"})
    assert client.poll(f"/inference/{spoken['inference_id']}", lambda state: None)["status"] == "completed"


def _delete(client: Client, inference_id: str) -> None:
    client.ok("POST", "/characters", json={"character_name": "other"})
    assert client.ok("POST", "/characters/other/set_default")["success"] is True
    assert client.ok("GET", "/default_character") == {"default_character": "other"}
    client.ok("DELETE", "/characters/other")
    assert client.ok("GET", "/default_character") == {"default_character": NEW_NAME}
    assert client.ok("POST", f"/characters/{NEW_NAME}/training/clean")["success"] is True
    cleaned = client.ok("GET", f"/characters/{NEW_NAME}")
    assert (cleaned["training_status"], cleaned["model_exists"]) == ("pending", False)
    assert cleaned["audio_processing_status"] == "completed"
    assert client.ok("DELETE", f"/characters/{NEW_NAME}")["success"] is True
    assert client.ok("GET", "/characters") == []
    assert client.ok("GET", "/default_character") == {"default_character": None}
    assert client.answer("GET", f"/inference/{inference_id}/download").status_code == 200


def _look(steps: set[str], *more: str) -> Callable[[dict[str, Any]], None]:
    """Return a look at an answer on the way: the fields, a progress that never goes back, the steps."""
    last = 0.0

    def look(state: dict[str, Any]) -> None:
        nonlocal last
        assert set(state) == JOB_FIELDS | set(more)
        assert state["progress"] >= last, f"progress went from {last} back to {state['progress']}"
        last = state["progress"]
        if state["status"] == "running" and state["current_step"] is not None:
            steps.add(state["current_step"])

    return look
