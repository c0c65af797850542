"""extract_text_features: phones of every supported language, with the readings of the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from GPT_SoVITS.dataset import read_text_lines
from GPT_SoVITS.text.dictionary import Reading
from pipeline import text_features
from pipeline.children import ChildSpec, child_specs, decode_spec
from pipeline.context import StepContext
from pipeline.plan import Inputs, Item, StepPlan
from pipeline.protocol import Message, encode
from pipeline.steps import STEP_BY_NAME, JobConfig, StepName

TEXTS = {
    "一.wav": ("我住在重庆。", "zh"),
    "two.wav": ("I live in Chongqing.", "en"),
    "셋.wav": ("서울에 살아요.", "ko"),
    "四.wav": ("我哋住喺香港。", "yue"),
    "nothing.wav": ("……", "zh"),
}
READINGS = (Reading("重庆", "zh", "zhong4 qing4"), Reading("Chongqing", "en", "CH UH1 NG CH IH1 NG"))


class Silent:
    """Takes what the step reports."""

    cancelled = False

    def send(self, message: Message) -> None:
        assert message.type


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    clips = tmp_path / "transcripts" / "clips"
    clips.mkdir(parents=True)
    for name, (text, language) in TEXTS.items():
        (clips / f"{name}.json").write_text(json.dumps({"text": text, "language": language}), encoding="utf-8")
    items = tuple(Item(StepName.EXTRACT_TEXT_FEATURES, name, "hash") for name in TEXTS)
    plan = StepPlan(STEP_BY_NAME[StepName.EXTRACT_TEXT_FEATURES], items, frozenset(), blocked=False)
    inputs = Inputs(JobConfig(), (), {}, readings=READINGS)
    return StepContext(tmp_path, "角色", inputs, plan, tmp_path / "scratch", Silent())


def test_transcripts_become_phones_with_the_readings_of_the_user(context: StepContext) -> None:
    text_features.make(context)
    folder = context.experiment / "2-name2text"
    phones = {name: read_text_lines(folder / f"{name}.txt")[name].phones for name in TEXTS if name != "nothing.wav"}
    assert phones["一.wav"][-5:] == ("zh", "ong4", "q", "ing4", ".")
    assert phones["two.wav"][-7:] == ("CH", "UH1", "NG", "CH", "IH1", "NG", ".")
    assert "ㅅ" in phones["셋.wav"]
    assert "Yh" in phones["四.wav"]
    dropped = context.inputs.artifacts[StepName.EXTRACT_TEXT_FEATURES, "nothing.wav"].dropped
    assert dropped is not None
    assert "nothing that can be spoken" in dropped


def test_child_processes_are_told_the_readings(context: StepContext) -> None:
    spec: ChildSpec = child_specs(context, 1)[0]
    assert decode_spec(encode(spec)).readings == READINGS
