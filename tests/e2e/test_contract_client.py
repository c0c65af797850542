"""The client of the contract's table, written with plain `requests`, for a character named in Chinese."""

from __future__ import annotations

import io
import time
import wave
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import CLIPS, LiveService

NAME = "小明"
RENAMED = "小红"
CONFIG = {"character_name": NAME, "language": "en", "batch_size": 4, "epochs_s2": 1, "epochs_s1": 1, "gpu_id": "0"}
FINAL = {"completed", "failed", "cancelled", "outdated"}
TIMEOUT_S = 300.0


class Client:
    """Plain HTTP calls; every answer of a mutating call has to be 200."""

    def __init__(self, base: str) -> None:
        self._base = base

    def get(self, path: str) -> Any:
        answer = requests.get(f"{self._base}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self._base}{path}", timeout=60, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, path: str, **body: Any) -> Any:
        answer = requests.put(f"{self._base}{path}", timeout=60, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, path: str) -> Any:
        answer = requests.delete(f"{self._base}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def download(self, path: str) -> bytes:
        answer = requests.get(f"{self._base}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    def upload(self, path: Path) -> Any:
        with path.open("rb") as stream:
            return self.post(f"/characters/{NAME}/audio/upload", files={"file": (path.name, stream, "audio/flac")})

    def poll(self, path: str) -> Any:
        """Ask until the status is final, as the documented clients do; progress only ever lies in 0..100."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            info = self.get(path)
            assert 0 <= info["progress"] <= 100
            if info["status"] in FINAL:
                return info
            assert info["status"] in {"pending", "running"}
            time.sleep(0.2)
        raise AssertionError(f"{path} was not final after {TIMEOUT_S} s: {info}")


@pytest.mark.slow
def test_the_documented_client_works_for_a_character_named_in_chinese(service: LiveService) -> None:
    service.variables["SOVITS_SERVER__WORKERS"] = "2"
    service.start()
    client = Client(f"http://127.0.0.1:{service.port}/api/v1")

    created = client.post("/characters", json={"character_name": NAME, "config": CONFIG})
    assert (created["character_name"], created["is_default"], created["model_exists"]) == (NAME, True, False)

    recordings = sorted(CLIPS.glob("*.flac"))
    for recording in recordings:
        assert client.upload(recording)["filename"] == recording.name
    assert client.upload(recordings[0])["filename"] == recordings[0].name
    listed = client.get(f"/characters/{NAME}/audio/files")
    assert [file["filename"] for file in listed] == [recording.name for recording in recordings]
    assert all(file["duration"] > 0 for file in listed)

    assert requests.post(f"{client._base}/characters/{NAME}/training/start", timeout=60).status_code == 409
    assert client.post(f"/characters/{NAME}/audio/process")["status"] in {"pending", "running"}
    processed = client.poll(f"/characters/{NAME}/audio/status")
    assert (processed["status"], processed["error_message"]) == ("completed", None)
    assert processed["processed_audio_count"] == len(recordings)
    assert client.get(f"/characters/{NAME}/audio/check_status")["status"] == "completed"

    assert client.post(f"/characters/{NAME}/training/start")["status"] in {"pending", "running"}
    trained = client.poll(f"/characters/{NAME}/training/status")
    assert (trained["status"], trained["error_message"]) == ("completed", None)
    assert client.get(f"/characters/{NAME}/training/check_status")["status"] == "completed"
    for field in ("gpt_model_path", "sovits_model_path"):
        assert client.download(f"/characters/{NAME}/download/{Path(trained[field]).name}")

    spoken = client.post("/inference", json={"target_text": "Good morning.", "target_language": "英文"})
    finished = client.poll(f"/inference/{spoken['inference_id']}")
    assert (finished["status"], finished["error_message"]) == ("completed", None)
    with wave.open(io.BytesIO(client.download(f"/inference/{spoken['inference_id']}/download"))) as sound:
        assert sound.getnchannels() == 1
        assert sound.getnframes() > 0

    renamed = client.put(f"/characters/{NAME}", json={"new_name": RENAMED})
    assert (renamed["character_name"], renamed["model_exists"]) == (RENAMED, True)
    assert client.get(f"/characters/{RENAMED}/training/status")["status"] == "completed"
    again = client.post("/inference", json={"target_text": "Good night.", "target_language": "en"})
    assert client.poll(f"/inference/{again['inference_id']}")["status"] == "completed"

    client.post("/characters", json={"character_name": "b"})
    assert client.post("/characters/b/set_default")["success"] is True
    assert client.get("/default_character") == {"default_character": "b"}

    assert client.delete(f"/characters/{RENAMED}/audio/files/{recordings[0].name}")["success"] is True
    assert client.get(f"/characters/{RENAMED}")["training_status"] == "outdated"
    assert client.post(f"/characters/{RENAMED}/training/clean")["success"] is True
    assert client.delete(f"/characters/{RENAMED}")["success"] is True
    assert requests.get(f"{client._base}/characters/{RENAMED}", timeout=60).status_code == 404
    assert [each["character_name"] for each in client.get("/characters")] == ["b"]
