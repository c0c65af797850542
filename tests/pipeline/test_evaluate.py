"""Judging a voice in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from GPT_SoVITS.checkpoints import write_gpt_weights, write_sovits_weights
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.start import start_gpt, start_sovits
from pipeline.evaluation_request import Clip, EvaluationRequest, decode, encode

NANO = FAMILIES[FamilyName.NANO]
CLIPS = sorted((Path(__file__).parent.parent / "data" / "allison_en").glob("*.flac"))


def test_a_request_survives_its_journey() -> None:
    request = EvaluationRequest("a.pth", "b.ckpt", Clip("c.wav", "爱", "all_zh"), (Clip("d", "", "en"),), ("zh", "en"))
    assert decode(encode(request)) == request


@pytest.fixture
def voice(tmp_path: Path) -> tuple[Path, Path]:
    """A voice that is the base of nano, or random weights where there is none."""
    sovits: SovitsModel = start_sovits(NANO, 1)
    gpt: TextToSemantic = start_gpt(NANO, 1)
    paths = tmp_path / "a.pth", tmp_path / "a.ckpt"
    write_sovits_weights(paths[0], sovits.state_dict(), NANO, "1epoch_1iteration")
    write_gpt_weights(paths[1], gpt.state_dict(), NANO, "GPT-e1")
    return paths


def _ask(request: EvaluationRequest) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.evaluate"], input=encode(request), capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_voice_is_judged_by_what_it_says(voice: tuple[Path, Path]) -> None:
    clips = tuple(Clip(str(clip), "", "en") for clip in CLIPS[:3])
    request = EvaluationRequest(str(voice[0]), str(voice[1]), clips[0], clips, ("en",), 1)
    code, answer = _ask(request)
    assert code == 0, answer
    found = answer["evaluation"]
    assert isinstance(found, dict)
    assert len(found["sentences"]) == 1
    assert 0 <= found["similarity"] < found["real_similarity"] <= 1
    assert found["real_character_error_rate"] is None, "texts that were only recognised are no measure"
    assert found["real_time_factor"] > 0


def test_a_voice_that_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    clip = Clip(str(CLIPS[0]), "", "en")
    code, answer = _ask(EvaluationRequest(str(tmp_path / "no.pth"), str(tmp_path / "no.ckpt"), clip, (), ("en",), 1))
    assert code == 1
    assert "no.pth" in str(answer["error"])
