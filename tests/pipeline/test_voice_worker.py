"""The voice worker: one request a line, a WAV for each, and no bad request ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from GPT_SoVITS.checkpoints import write_gpt_weights, write_sovits_weights
from GPT_SoVITS.families import family
from GPT_SoVITS.training.start import start_gpt, start_sovits
from pipeline.protocol import Message, MessageType, SpeakRequest, decode_message, encode

ROOT = Path(__file__).parent.parent.parent
CLIP = ROOT / "tests" / "data" / "allison_en" / "dir-nomore.flac"


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> SpeakRequest:
    """A request to an untrained voice with real weight files."""
    folder = tmp_path_factory.mktemp("模型")
    nano = family("nano")
    write_sovits_weights(folder / "a_e1_s1.pth", start_sovits(nano, 1).state_dict(), nano, "1epoch_1iteration")
    write_gpt_weights(folder / "a-e1.ckpt", start_gpt(nano, 1).state_dict(), nano, "GPT-e1")
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
    )


def _answers(*lines: str, idle_s: float = 60.0) -> tuple[int, list[Message]]:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.voice", "--idle-seconds", str(idle_s)],
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
    assert not list(Path(request_.output_path).parent.glob(".*.tmp"))
    assert code == 0


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
    assert process.wait(20) == 0
    process.communicate()
