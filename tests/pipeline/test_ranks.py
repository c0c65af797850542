"""Training in two processes as children of the worker: it finishes, continues after a break, and ends as one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from GPT_SoVITS.base_files import base_files
from GPT_SoVITS.checkpoints import read_gpt_weights, write_gpt_weights
from GPT_SoVITS.dataset import (
    SEMANTIC_FILE,
    SEMANTIC_HEADER,
    TEXT_FILE,
    SemanticLine,
    TextLine,
    format_semantic_line,
    format_text_line,
    write_lines,
)
from GPT_SoVITS.families import family
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from pipeline import train_gpt
from pipeline.context import Cancelled, StepContext
from pipeline.plan import Feed, Inputs, Item, StepPlan
from pipeline.protocol import Message, MessageType
from pipeline.steps import CHARACTER_ITEM, STEP_BY_NAME, JobConfig, StepName
from pipeline.training import ranks_for

V2 = family("v2")
CLIPS = [f"句子 {number}.wav" for number in range(100)]
PHONES = ("n", "i3", "h", "ao3", ",", "sh", "i4", "j", "ie4", ".")


class Listener:
    """A reporter that keeps what is said and does something about it."""

    def __init__(self, react: Callable[[Message], bool] = lambda _: False) -> None:
        self.messages: list[Message] = []
        self.cancelled = False
        self._react = react

    def send(self, message: Message) -> None:
        self.messages.append(message)
        self.cancelled = self.cancelled or self._react(message)


def _children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "pipeline.children" in each.cmdline()]


def _done(message: Message) -> int:
    return int(message.data["done"]) if message.type is MessageType.PROGRESS else 0


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    """A character whose features are made, and the full-size base of v2 with random weights."""
    files = base_files(V2, str(tmp_path / "models"))
    for each in files.missing():
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    write_gpt_weights(files.gpt, TextToSemantic(V2.gpt).state_dict(), V2, "GPT-e0")
    root = tmp_path / "角色 😀"
    experiment = root / "experiments" / "角色"
    experiment.mkdir(parents=True)
    write_lines(experiment / TEXT_FILE, [format_text_line(TextLine(name, PHONES, None, "x")) for name in CLIPS])
    codes = [format_semantic_line(SemanticLine(name, tuple(range(n % 9, n % 9 + 25)))) for n, name in enumerate(CLIPS)]
    write_lines(experiment / SEMANTIC_FILE, [SEMANTIC_HEADER, *codes])
    feeds = tuple(Feed(f"{StepName.EXTRACT_SEMANTIC_FEATURES}/{name}", "1") for name in CLIPS)
    item = Item(StepName.TRAIN_GPT, CHARACTER_ITEM, "hash", feeds)
    config = JobConfig(
        family="v2", models_dir=str(tmp_path / "models"), epochs_s1=1, batch_size=12, training_processes=2
    )
    plan = StepPlan(STEP_BY_NAME[StepName.TRAIN_GPT], (item,), frozenset(), blocked=False)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return StepContext(root, "角色", Inputs(config, (), {}), plan, scratch, Listener())


def _again(context: StepContext, listener: Listener) -> StepContext:
    return replace(context, reporter=listener, dropped=[], notes=[], redone=0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_processes_train_resume_and_end_together(context: StepContext) -> None:
    states = context.experiment / "logs_s1_v2"
    # when one of the two is killed in the middle
    killed: list[int] = []

    def kill_one(message: Message) -> bool:
        if _done(message) == 1 and not killed:
            killed.append(_children()[-1].pid)
            os.kill(killed[0], signal.SIGKILL)
        return False

    # then the other one does not wait for it, and one sentence says what happened
    with pytest.raises(OSError, match=r"process 2 of 2 of train_gpt ended unexpectedly \(by signal 9\)"):
        train_gpt.run(_again(context, Listener(kill_one)))
    assert _children() == []
    # when the job is cancelled
    with pytest.raises(Cancelled):
        train_gpt.run(_again(context, Listener(lambda message: _done(message) >= 2)))
    # then both stop after the same step, and the first one leaves a checkpoint
    assert _children() == []
    assert list(states.glob("state_*.pt"))
    # and the next run continues there and finishes: 100 clips in batches of 24
    last = _again(context, listener := Listener())
    train_gpt.run(last)
    steps = [json.loads(line)["step"] for line in (states / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5]
    assert "2 processes" in last.notes[0]
    assert sum(message.type is MessageType.ARTIFACT for message in listener.messages) == last.redone == 1
    (weights,) = (context.root / "models").glob("角色-*-e1.ckpt")
    assert read_gpt_weights(weights).info == "GPT-e1"
    assert _children() == []


def test_there_is_one_process_for_each_gpu() -> None:
    assert ranks_for(JobConfig(), 0) == 1
    assert ranks_for(JobConfig(), 3) == 3
    assert ranks_for(JobConfig(training_processes=2), 3) == 2
    assert ranks_for(JobConfig(training_processes=4), 3) == 3
    assert ranks_for(JobConfig(training_processes=2), 0) == 2
