"""Recognition in a child process says the same as in this one; its errors arrive as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from GPT_SoVITS.errors import AudioError, ModelMissingError
from pipeline import asr_process
from pipeline.asr_process import RecogniserProcess, open_recogniser
from pipeline.recognise import Recogniser, objection
from pipeline.steps import JobConfig

SOURCE = Path(__file__).parent.parent / "data" / "allison_en" / "dir-nomore.flac"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    samples, rate_hz = soundfile.read(SOURCE)
    soundfile.write(tmp_path / "剪辑.wav", samples, rate_hz)
    return tmp_path / "剪辑.wav"


def test_a_child_recognises_the_same_words_and_language(clip: Path) -> None:
    here = Recogniser("", "", "cpu", "int8").recognise(clip, "en")
    with RecogniserProcess("", "", "cpu", "int8") as child:
        there = child.recognise(clip, "en")
        assert child.language_of([clip]) == "en"
    assert there == here
    assert "compatible entries" in there.text
    assert objection(there) is None


def test_errors_of_the_child_arrive_as_they_are(clip: Path) -> None:
    with RecogniserProcess("", "", "cpu", "int8") as child, pytest.raises(AudioError):
        child.recognise(SOURCE.parent / "ATTRIBUTION.md", "en")
    with RecogniserProcess("no-such-model", "", "cpu", "int8") as child, pytest.raises(ModelMissingError):
        child.recognise(clip, "en")


def test_a_child_that_is_killed_is_a_retryable_error(clip: Path) -> None:
    with RecogniserProcess("", "", "cpu", "int8") as child:
        child._child.kill()
        child._child.wait()
        with pytest.raises(OSError, match="ended unexpectedly"):
            child.recognise(clip, "en")


def test_a_machine_with_a_gpu_gets_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asr_process, "GPU_CONTROL", tmp_path)
    assert type(open_recogniser(JobConfig())) is RecogniserProcess
    assert type(open_recogniser(JobConfig(asr_device="cpu"))) is Recogniser
    monkeypatch.setattr(asr_process, "GPU_CONTROL", tmp_path / "none")
    assert type(open_recogniser(JobConfig())) is Recogniser
