"""The voice worker: one request a line, a WAV for each, and no bad request ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from GPT_SoVITS.checkpoints import write_gpt_weights, write_sovits_weights
from pipeline.protocol import Message, MessageType, SpeakCancel, SpeakRequest, decode_message, encode
from tests.engine.small_voice import small_family, small_networks
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
CLIP = ROOT / "tests" / "data" / "allison_en" / "dir-nomore.flac"


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> SpeakRequest:
    """A request to an untrained voice with real weight files."""
    folder = tmp_path_factory.mktemp("模型")
    networks = small_networks(small_family())
    write_sovits_weights(folder / "a_e1_s1.pth", networks.sovits.state_dict(), networks.family, "1epoch_1iteration")
    write_gpt_weights(folder / "a-e1.ckpt", networks.gpt.state_dict(), networks.family, "GPT-e1")
    return SpeakRequest(
        request_id="one",
        family="nano",
        sovits_path=str(folder / "a_e1_s1.pth"),
        gpt_path=str(folder / "a-e1.ckpt"),
        ref_audio=str(CLIP),
        ref_text="There are no more compatible entries in the directory.",
        ref_language="en",
        text="Hello world.",
        language="en",
        output_path=str(folder / "说.wav"),
        device="cpu",
        seed=3,
        codes_per_phone=(0.1, 3.0),
        tries=1,
    )


def _answers(*lines: str, idle_s: float = 60.0, options: tuple[str, ...] = ()) -> tuple[int, list[Message]]:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.voice", "--idle-seconds", str(idle_s), *options],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    return done.returncode, [decode_message(line) for line in done.stdout.splitlines()]


def test_a_sentence_is_spoken_and_bad_requests_do_not_end_the_worker(request_: SpeakRequest) -> None:
    # given bad requests around a good one
    code, messages = _answers(
        "this is no JSON",
        encode(replace(request_, request_id="silent", text="。。。")),
        encode(replace(request_, request_id="gone", sovits_path="/nowhere/x.pth")),
        encode(replace(request_, request_id="language", language="klingon")),
        encode(request_),
    )
    # then each bad one has its sentence and the good one is spoken
    errors = {m.data["request_id"]: m.data for m in messages if m.type is MessageType.ERROR}
    assert set(errors) == {"", "silent", "gone", "language"}
    assert all(error["message"] and "Traceback" not in error["message"] for error in errors.values())
    spoken = [m.data for m in messages if m.type is MessageType.SPOKEN]
    assert [each["request_id"] for each in spoken] == ["one"]
    info = soundfile.info(request_.output_path)
    assert (info.samplerate, info.channels, info.subtype) == (32_000, 1, "PCM_16")
    assert info.duration == pytest.approx(spoken[0]["seconds"], abs=0.01)
    assert not list(Path(request_.output_path).parent.glob(".*"))
    assert code == 0


def test_the_same_request_again_loads_and_encodes_nothing(request_: SpeakRequest) -> None:
    other = replace(request_, request_id="other", models_dir=str(Path(request_.output_path).parent))
    _, messages = _answers(
        encode(request_),
        encode(replace(request_, request_id="again")),
        encode(other),
        encode(replace(request_, request_id="evicted")),
        options=("--warm-bytes", "1"),
    )
    spoken = {m.data["request_id"]: m.data for m in messages if m.type is MessageType.SPOKEN}
    errors = [m.data for m in messages if m.type is MessageType.ERROR]
    assert not errors
    assert (spoken["one"]["loaded"], spoken["one"]["encoded"]) == (True, 4)
    assert (spoken["again"]["loaded"], spoken["again"]["encoded"]) == (False, 0)
    assert spoken["other"]["loaded"] and spoken["evicted"]["loaded"], "only one voice fits into the budget"


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.voice"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ask(worker: subprocess.Popen[bytes], order: SpeakRequest | SpeakCancel) -> None:
    assert worker.stdin is not None
    worker.stdin.write(encode(order).encode() + b"\n")
    worker.stdin.flush()


def _until(worker: subprocess.Popen[bytes], *kinds: MessageType) -> Message:
    assert worker.stdout is not None
    for line in worker.stdout:
        message = decode_message(line.decode())
        if message.type in kinds:
            return message
    raise AssertionError("the worker has left")


def test_sound_is_there_before_the_last_sentence_and_a_request_can_be_cancelled(request_: SpeakRequest) -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(40))
    folder = Path(request_.output_path).parent / "out"
    long = replace(request_, request_id="long", text=text, output_path=str(folder / "long.wav"), batch_size=1)
    with _worker() as worker:
        # when a long text is being spoken and another one waits
        _ask(worker, long)
        _ask(worker, replace(request_, request_id="waiting"))
        fragment = _until(worker, MessageType.FRAGMENT, MessageType.SPOKEN)

        # then its first sound can be read while it goes on
        assert fragment.type is MessageType.FRAGMENT
        data = Path(fragment.data["path"]).read_bytes()[fragment.data["offset"] :]
        assert len(data) >= fragment.data["bytes"] > 6_400
        assert not Path(long.output_path).exists()

        # and when both are cancelled, they are answered so and leave nothing, and the worker goes on
        _ask(worker, SpeakCancel("long"))
        _ask(worker, SpeakCancel("waiting"))
        _ask(worker, SpeakCancel("of another time"))
        _ask(worker, request_)
        assert _until(worker, MessageType.CANCELLED, MessageType.SPOKEN).data == {"request_id": "long"}
        assert _until(worker, MessageType.CANCELLED, MessageType.SPOKEN).data == {"request_id": "waiting"}
        assert not list(folder.iterdir())
        assert _until(worker, MessageType.SPOKEN, MessageType.ERROR).data["request_id"] == "one"


def test_an_idle_worker_leaves(request_: SpeakRequest) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.voice", "--idle-seconds", "0.5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "started"
    assert process.wait(PATIENCE_S) == 0
    process.communicate()


NO_ROOM = """
import torch
from pipeline.channel import Channel
from pipeline.voice import Worker, serve
from pipeline.voice_requests import RequestQueue
from pipeline.warm_voices import WarmVoices

class TooLarge(WarmVoices):
    def get(self, request):
        return torch.empty(2**60, dtype=torch.uint8)

serve(Worker(TooLarge(), RequestQueue(0), Channel()), 60.0)
"""
"""A voice worker whose voices are larger than any memory."""


def test_a_full_memory_is_told_apart_from_a_fault(request_: SpeakRequest) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM],
        input=f"{encode(request_)}\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    answers = [decode_message(line).data for line in done.stdout.splitlines()]
    assert [(answer["code"], answer["kind"]) for answer in answers] == [("memory", "resource")]
