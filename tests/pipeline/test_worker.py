"""The job worker as the daemon sees it: one line in, messages out, an exit code."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from pipeline.protocol import JobSpec, Message, MessageType, Recording, decode_message, encode
from pipeline.steps import JobConfig, JobKind
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent
CLIPS = ROOT / "tests" / "data" / "allison_en"


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )


def _finish(process: subprocess.Popen[str], job: JobSpec) -> list[Message]:
    out, _ = process.communicate(encode(job) + "\n", timeout=PATIENCE_S)
    return [decode_message(line) for line in out.splitlines()]


def _job(root: Path, recordings: list[Recording], kind: JobKind = JobKind.PROCESS) -> JobSpec:
    return JobSpec(1, kind, "甲", str(root), JobConfig(language="en", enable_denoise=False), tuple(recordings))


def _take(root: Path, *clips: str) -> list[Recording]:
    raw = root / "raw_audio"
    raw.mkdir(parents=True)
    for clip in clips:
        shutil.copy(CLIPS / f"{clip}.flac", raw)
    return [Recording(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in sorted(raw.iterdir())]


def test_a_job_is_reported_step_by_step_and_ends_with_done(tmp_path: Path) -> None:
    process = _start()
    messages = _finish(process, _job(tmp_path, _take(tmp_path, "dir-nomore")))
    assert process.returncode == 0
    kinds = [message.type for message in messages]
    assert kinds[0] is MessageType.STARTED
    assert kinds[-1] is MessageType.DONE
    finished = [m.data["step"] for m in messages if m.type is MessageType.STEP_FINISHED]
    assert finished == ["convert_audio", "slice_audio", "asr_transcribe"], "denoising is off"
    assert not (tmp_path / ".scratch").exists()


def test_a_refusal_is_one_sentence_and_exit_code_10(tmp_path: Path) -> None:
    raw = tmp_path / "raw_audio"
    raw.mkdir()
    soundfile.write(raw / "silent.wav", np.zeros(32_000), 16_000)
    process = _start()
    messages = _finish(process, _job(tmp_path, [Recording("silent.wav", "1")]))
    assert process.returncode == 10
    assert messages[-1].type is MessageType.ERROR
    assert messages[-1].data["kind"] == "permanent"
    assert "no clip of 甲" in messages[-1].data["message"]


def test_training_before_processing_is_refused(tmp_path: Path) -> None:
    process = _start()
    messages = _finish(process, _job(tmp_path, _take(tmp_path, "dir-nomore"), JobKind.TRAIN))
    assert process.returncode == 10
    assert "process the audio first" in messages[-1].data["message"]


def test_sigterm_ends_the_job_with_exit_code_3(tmp_path: Path) -> None:
    recordings = _take(tmp_path, "dir-nomore", "demo-thanks", "tt-allbusy", "vm-newuser")
    process = _start()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(_job(tmp_path, recordings)) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if decode_message(line).type is MessageType.ARTIFACT:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
