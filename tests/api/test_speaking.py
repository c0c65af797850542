"""Speaking with options, as a stream, in batches, and for programs written for the public speech API."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from litestar.testing import TestClient

from daemon import inferences, keys
from pipeline.sound_formats import SoundFormat
from pipeline.steps import JobKind
from tests.api.conftest import Server, serving
from tests.api.speaker import PIECE_S, RATE_HZ, Speaker, seconds_of, speaking
from tests.api.test_routes import NAME, refusal
from tests.daemon.installation import Installation
from tests.waiting import PATIENCE_S, until

WHOLE_BYTES = 3 * int(RATE_HZ * PIECE_S) * 2
SUBTITLES = """1
00:00:01,000 --> 00:00:02,000
<i>你好</i>

2
00:00:05,500 --> 00:00:07,000
{\\an8}再见
朋友

3
00:00:05,600 --> 00:00:07,000
- ok
"""


@pytest.fixture
def voiced(installation: Installation) -> Installation:
    """小明 with a finished voice."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    return installation


@pytest.fixture
def live(voiced: Installation) -> Iterator[Server]:
    """A real server over it."""
    with serving(voiced) as server:
        yield server


def _ask(client: TestClient, **fields: Any) -> Any:
    return client.post("inference", json={"target_text": "你好。", **fields})


def _until_final(client: TestClient, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def final() -> bool:
        found.update(client.get(path).json())
        return found["status"] in ("completed", "failed", "cancelled")

    until(final, f"the end of {path}")
    return found


def test_options_reach_the_voice_worker(voiced: Installation, client: TestClient) -> None:
    options = {
        "cut_method": "cut3", "speed": 1.25, "seed": 7, "top_k": 5, "top_p": 0.9, "temperature": 0.7,
        "repetition_penalty": 1.2, "pause_s": 0.1, "batch_size": 2, "verify_words": True, "other_references": ["a.wav"],
    }  # fmt: skip
    found = _ask(client, **options)
    assert found.status_code == 200, found.text
    with voiced.database.read() as session:
        row = inferences.get(session, found.json()["inference_id"])
        request = inferences.speak_request(session, voiced.world.settings, voiced.layout, row)
    assert request.other_references == (str(voiced.layout.raw_audio(NAME) / "a.wav"),)
    assert {name: getattr(request, name) for name in options if name != "other_references"} == {
        name: value for name, value in options.items() if name != "other_references"
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cut_method", "cut9"), ("speed", 0), ("speed", 9), ("seed", -1), ("seed", 2**32), ("top_k", 0), ("top_p", 0),
        ("temperature", -1), ("repetition_penalty", 99), ("pause_s", -1), ("batch_size", 0),
        ("other_references", ["nothing.wav"]), ("other_references", ["a.wav"] * 9),
    ],
)  # fmt: skip
def test_an_option_without_meaning_is_refused_by_name(
    voiced: Installation, client: TestClient, name: str, value: Any
) -> None:
    sentence = refusal(_ask(client, **{name: value}), 400)
    assert name in sentence or name == "other_references"


ODD_TEXTS = {
    "nothing": "",
    "blanks": " \n\t",
    "marks": "。！？…",
    "emoji": "😀🎉",
    "control characters": "\x00\x07\x1b",
    "right to left": "\u202e\u200fשלום\u202c",
    "no known script": "ᚠᚢᚦ ꓝꓞ",
    "half a surrogate pair": "你\ud800好",
    "endless": "长" * 100_000,
}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_any_text_is_taken_or_refused_with_a_sentence(voiced: Installation, client: TestClient, text: str) -> None:
    body = json.dumps({"target_text": text})
    answer = client.post("inference", content=body, headers={"content-type": "application/json"})
    if answer.status_code != 200:
        refusal(answer, 400)


def test_the_beginning_is_heard_while_the_end_is_not_spoken_yet(voiced: Installation, live: Server) -> None:
    made = requests.post(f"{live.url}/inference", json={"target_text": "你好。"}, timeout=PATIENCE_S).json()
    with speaking(voiced) as speaker:
        speaker.gate.clear()
        with requests.get(
            f"{live.url}/inference/{made['inference_id']}/stream", stream=True, timeout=PATIENCE_S
        ) as answer:
            assert answer.headers["content-type"] == "audio/wav"
            first = answer.raw.read(44 + WHOLE_BYTES // 3)
            assert first[:4] == b"RIFF"
            assert speaker.spoken == []
            speaker.gate.set()
            rest = answer.raw.read()
    assert len(first) + len(rest) == 44 + WHOLE_BYTES


@pytest.mark.parametrize("name", list(SoundFormat))
def test_a_finished_sentence_is_given_out_in_every_format(
    voiced: Installation, client: TestClient, tmp_path: Path, name: SoundFormat
) -> None:
    made = _ask(client).json()
    with speaking(voiced):
        _until_final(client, f"inference/{made['inference_id']}")
    answer = client.get(f"inference/{made['inference_id']}/stream", params={"format": name.value})
    assert answer.status_code == 200
    if name is SoundFormat.PCM:
        assert len(answer.content) == pytest.approx(2 * 24_000 * 1.5, abs=400)
        return
    path = tmp_path / f"sound.{name}"
    path.write_bytes(answer.content)
    assert seconds_of(path) == pytest.approx(1.5, abs=0.15)


def test_a_sentence_is_cancelled_while_it_waits_and_while_it_is_spoken(
    voiced: Installation, client: TestClient
) -> None:
    waiting = _ask(client).json()["inference_id"]
    assert client.post(f"inference/{waiting}/cancel").json()["status"] == "cancelled"
    refusal(client.get(f"inference/{waiting}/stream"), 409)
    with speaking(voiced) as speaker:
        speaker.gate.clear()
        spoken = _ask(client).json()["inference_id"]
        time.sleep(0.3)
        assert client.post(f"inference/{spoken}/cancel").json()["status"] == "running"
        speaker.gate.set()
        assert _until_final(client, f"inference/{spoken}")["status"] == "cancelled"
        assert client.post(f"inference/{spoken}/cancel").json()["status"] == "cancelled"
    assert list(voiced.layout.inference.iterdir()) == []
    refusal(client.post("inference/nothing/cancel"), 404)


def test_a_sentence_that_cannot_be_spoken_is_no_stream(voiced: Installation, client: TestClient) -> None:
    with speaking(voiced) as speaker:
        speaker.refused.add("坏")
        made = _ask(client, target_text="坏").json()["inference_id"]
        _until_final(client, f"inference/{made}")
        assert "cannot be spoken" in refusal(client.get(f"inference/{made}/stream"), 409)


def test_a_batch_is_spoken_text_by_text_and_given_out_as_an_archive(
    voiced: Installation, client: TestClient, tmp_path: Path
) -> None:
    body = {"texts": ["一。", " ", "二。", "坏"], "format": "flac", "speed": 1.1}
    made = client.post("batches", json=body)
    assert made.status_code == 200, made.text
    batch = made.json()
    assert (batch["status"], batch["total"], batch["character_name"]) == ("pending", 3, NAME)
    refusal(client.get(f"batches/{batch['batch_id']}/download"), 409)
    with speaking(voiced) as speaker:
        speaker.refused.add("坏")
        ended = _until_final(client, f"batches/{batch['batch_id']}")
    assert (ended["status"], ended["done"], ended["failed"]) == ("failed", 3, 1)
    assert [item["status"] for item in ended["items"]] == ["completed", "completed", "failed"]
    assert ended["items"][2]["error_message"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"batches/{batch['batch_id']}/download").content)) as archive:
        assert archive.namelist() == ["0001.flac", "0002.flac", "texts.tsv"]
        assert archive.read("texts.tsv").decode().splitlines()[1:] == ["0001.flac\t\t一。", "0002.flac\t\t二。"]
        archive.extract("0001.flac", tmp_path)
    assert seconds_of(tmp_path / "0001.flac") == pytest.approx(1.5, abs=0.05)
    assert [each["batch_id"] for each in client.get("batches").json()] == [batch["batch_id"]]


def test_subtitles_become_a_track_that_keeps_their_times(
    voiced: Installation, client: TestClient, tmp_path: Path
) -> None:
    batch = client.post("batches", json={"subtitles": SUBTITLES}).json()["batch_id"]
    with speaking(voiced) as speaker:
        assert _until_final(client, f"batches/{batch}")["status"] == "completed"
    assert speaker.spoken == ["你好", "再见 朋友", "- ok"]
    with zipfile.ZipFile(io.BytesIO(client.get(f"batches/{batch}/download").content)) as archive:
        archive.extract("track.wav", tmp_path)
    # the third begins when the second, which is still spoken at its time, has ended
    assert seconds_of(tmp_path / "track.wav") == pytest.approx(5.5 + 1.5 + 1.5, abs=0.01)


def test_a_single_sentence_is_spoken_before_the_rest_of_a_batch(voiced: Installation, client: TestClient) -> None:
    client.post("batches", json={"text_file": "\ufeff一\r\n\r\n二\n三\n"})
    with voiced.database.write():
        pass
    single = _ask(client, target_text="先").json()["inference_id"]
    with speaking(voiced) as speaker:
        _until_final(client, f"inference/{single}")
        until(lambda: len(speaker.spoken) == 4, "all to be spoken")
    assert speaker.spoken == ["先", "一", "二", "三"]


def test_cancelling_a_batch_keeps_what_was_spoken(voiced: Installation, client: TestClient) -> None:
    batch = client.post("batches", json={"texts": ["一", "二", "三"]}).json()["batch_id"]
    with speaking(voiced) as speaker:
        until(lambda: speaker.spoken, "the first to be spoken")
        speaker.gate.clear()
        time.sleep(0.2)
        client.post(f"batches/{batch}/cancel")
        speaker.gate.set()
        ended = _until_final(client, f"batches/{batch}")
    assert ended["status"] == "cancelled"
    with zipfile.ZipFile(io.BytesIO(client.get(f"batches/{batch}/download").content)) as archive:
        assert "0001.wav" in archive.namelist()


@pytest.mark.parametrize(
    "body",
    [
        {}, {"texts": []}, {"texts": [" "]}, {"texts": ["a"], "text_file": "a"}, {"text_file": "\n"},
        {"texts": ["a"] * 1001}, {"subtitles": "no subtitles"}, {"subtitles": ""}, {"texts": ["a"], "format": "midi"},
        {"texts": ["a"], "speed": 99}, {"texts": ["x" * 6000]}, {"texts": ["\ud800"]}, {"texts": ["a"], "unknown": 1},
        {"texts": ["a"], "target_language": "x"},
    ],
)  # fmt: skip
def test_a_batch_that_makes_no_sense_is_refused_whole(voiced: Installation, client: TestClient, body: Any) -> None:
    answer = client.post("batches", content=json.dumps(body), headers={"content-type": "application/json"})
    refusal(answer, 400)
    assert client.get("batches").json() == []
    assert client.get("inference").json() == []


def _client(server: Server, key: str = "any key will do on this machine") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url.replace("/api/v1", "/v1"), api_key=key, max_retries=0)


def test_the_official_client_speaks_lists_and_streams(voiced: Installation, live: Server, tmp_path: Path) -> None:
    client = _client(live)
    assert "tts-1" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-sovits").id == "gpt-sovits"
    with speaking(voiced) as speaker:
        for name in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
            answer = client.audio.speech.create(
                model="tts-1",
                voice=NAME,
                input="你好。Hello.",
                response_format=name,
                speed=1.5,  # type: ignore[arg-type]
            )
            path = tmp_path / f"sound.{name}"
            answer.write_to_file(path)
            if name != "pcm":
                assert seconds_of(path) == pytest.approx(1.5, abs=0.15)
        speaker.gate.clear()
        with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="default", input="你好。", response_format="pcm", instructions="calm"
        ) as streamed:
            first = next(streamed.iter_bytes(1000))
            assert len(first) == 1000
            assert len(speaker.spoken) == 6, "the sound comes before the last piece is spoken"
            speaker.gate.set()
    with voiced.database.read() as session:
        speeds = {inferences.request_of(row).options.speed for row in inferences.list_all(session)}
    assert speeds == {1.0, 1.5}


def test_sound_comes_as_events_when_asked_for(voiced: Installation, live: Server) -> None:
    body = {
        "model": "tts-1",
        "voice": {"id": NAME},
        "input": "你好。",
        "stream_format": "sse",
        "response_format": "mp3",
    }
    with speaking(voiced):
        answer = requests.post(live.url.replace("/api/v1", "/v1/audio/speech"), json=body, timeout=PATIENCE_S)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.split("\n\n") if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert set(events[-1]["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}


def test_errors_have_the_shape_that_the_official_client_knows(voiced: Installation, live: Server) -> None:
    client = _client(live)
    speak = client.audio.speech.create
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        speak(model="tts-1", voice="nobody", input="x")
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        speak(model="gpt-9", voice=NAME, input="x")
    with pytest.raises(openai.BadRequestError) as caught:
        speak(model="tts-1", voice=NAME, input="x", speed=9)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == "speed"
    with pytest.raises(openai.BadRequestError):
        speak(model="tts-1", voice=NAME, input="x" * 5000)
    with voiced.database.write() as session:
        _, key = keys.create(session, "reader", [keys.Scope.READ])
    with pytest.raises(openai.PermissionDeniedError):
        _client(live, key).audio.speech.create(model="tts-1", voice=NAME, input="x")
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    with pytest.raises(openai.AuthenticationError):
        _client(live).models.list(extra_headers=elsewhere)
    assert _client(live, key).models.list(extra_headers=elsewhere).data
    plain = requests.get(f"{live.url}/nothing", timeout=PATIENCE_S).json()
    assert set(plain) == {"status_code", "detail"}
    public = requests.get(live.url.replace("/api/v1", "/v1/nothing"), timeout=PATIENCE_S).json()
    assert set(public["error"]) == {"message", "type", "param", "code"}


def test_a_listener_who_leaves_stops_the_speaking(voiced: Installation, live: Server) -> None:
    body = {"model": "tts-1", "voice": NAME, "input": "你好。", "response_format": "wav"}
    with speaking(voiced) as speaker:
        speaker.gate.clear()
        with requests.post(
            live.url.replace("/api/v1", "/v1/audio/speech"), json=body, stream=True, timeout=PATIENCE_S
        ) as answer:
            answer.raw.read(100)
            number = answer.headers["x-inference-id"]
        until(lambda: inferences.cancel_is_requested(voiced.database, number), "the speaking to be stopped")


def test_a_speaker_ends_with_its_test(voiced: Installation) -> None:
    with Speaker(voiced) as speaker:
        assert speaker.spoken == []
