"""Feature shards: the same results as one process, one clear end for all of them. Training ranks: see test_ranks."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.text.dictionary import Reading
from GPT_SoVITS.whisper import load_model
from pipeline.children import ChildSpec, decode_spec
from pipeline.context import Cancelled
from pipeline.plan import Feed, Item
from pipeline.protocol import ArtifactRecord, MessageType, OutputFile, TranscriptEdit, encode
from pipeline.shards import processes_for
from pipeline.steps import LIST_ITEM, JobConfig, JobKind, StepName
from tests.pipeline.conftest import Character

CLIPS = {
    "dir-nomore": "There are no more compatible entries in the directory.",
    "demo-thanks": "Goodbye. Thank you for trying out the Asterisk Open Source PBX.",
    "agent-alreadyon": "That agent is already logged on. Please enter your agent number followed by the pound key.",
}
FEATURES = {StepName.EXTRACT_TEXT_FEATURES, StepName.EXTRACT_AUDIO_FEATURES, StepName.EXTRACT_SEMANTIC_FEATURES}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Character:
    """A character with three clips and given transcripts, processed once."""
    character = Character(tmp_path_factory.mktemp("prepared") / "爱丽丝 😀")
    for clip, text in CLIPS.items():
        character.add(clip, text=text)
    character.run(JobKind.PROCESS)
    return character


@pytest.fixture
def processed(prepared: Character, tmp_path: Path) -> Character:
    """The same in a folder of its own, ready for training."""
    root = shutil.copytree(prepared.root, tmp_path / prepared.root.name)
    return replace(prepared, root=root, artifacts=dict(prepared.artifacts))


def _stop_at(step: StepName, kind: MessageType = MessageType.STEP_STARTED) -> Callable[[Any], bool]:
    return lambda message: message.type is kind and message.data.get("step") == step


def _make_features(character: Any, new_log: Callable[..., Any]) -> dict[str, bytes]:
    """Run the feature steps alone and return the files that they wrote."""
    log = new_log(_stop_at(StepName.TRAIN_SOVITS))
    with pytest.raises(Cancelled):
        character.run(JobKind.TRAIN, log)
    experiment = character.root / "experiments" / character.name
    files = {str(p.relative_to(experiment)): p.read_bytes() for p in sorted(experiment.rglob("*")) if p.is_file()}
    shutil.rmtree(experiment)
    for key in [key for key in character.artifacts if key[0] in FEATURES]:
        del character.artifacts[key]
    return files


def _children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "pipeline.children" in each.cmdline()]


@pytest.fixture
def one_core() -> Iterator[None]:
    """Let this process and its children compute on one core: the number of threads changes a product's last bits."""
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    load_model.cache_clear()
    os.sched_setaffinity(0, {min(cores)})
    torch.set_num_threads(1)
    yield
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)
    load_model.cache_clear()


@pytest.mark.slow
def test_shards_write_the_same_bytes_as_one_process(
    processed: Any, new_log: Callable[..., Any], one_core: None
) -> None:
    # given a word that the user's dictionary reads in its own way
    processed.readings = (Reading("Asterisk", "en", "Z UW1 Z UW1"),)
    whole = _make_features(processed, new_log)
    assert b"Z UW1 Z UW1" in whole["2-name2text.txt"]
    # when the clips are made in two processes
    processed.configure(feature_processes=2)
    log = new_log(_stop_at(StepName.TRAIN_SOVITS))
    with pytest.raises(Cancelled):
        processed.run(JobKind.TRAIN, log)
    # then the files are the same to the byte
    experiment = processed.root / "experiments" / processed.name
    divided = {str(p.relative_to(experiment)): p.read_bytes() for p in sorted(experiment.rglob("*")) if p.is_file()}
    assert list(divided) == list(whole)
    assert [name for name, content in divided.items() if content != whole[name]] == []
    # and reports and progress are those of one step
    finished = {m.data["step"]: m.data for m in log.messages if m.type is MessageType.STEP_FINISHED}
    report = finished[StepName.EXTRACT_AUDIO_FEATURES]
    assert (report["items_in"], report["items_out"], report["redone"], report["dropped"]) == (3, 3, 3, [])
    told = [m.data for m in log.messages if m.type is MessageType.PROGRESS and m.data["step"] == report["step"]]
    assert told[-1]["done"] == told[-1]["total"] == 3
    assert _children() == []


def test_a_killed_shard_ends_the_step_with_one_clear_sentence(processed: Any, new_log: Callable[..., Any]) -> None:
    processed.configure(feature_processes=2)
    killed = threading.Event()

    def kill() -> None:
        while not killed.is_set():
            if children := _children():
                os.kill(children[-1].pid, signal.SIGKILL)
                killed.set()
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(
            OSError, match=r"process \d of 2 of extract_text_features ended unexpectedly \(by signal 9\)"
        ):
            processed.run(JobKind.TRAIN)
    finally:
        killed.set()
        killer.join()
    assert _children() == []
    # and a cancelled step ends all of its children, too
    log = new_log(_stop_at(StepName.EXTRACT_TEXT_FEATURES, MessageType.PROGRESS))
    with pytest.raises(Cancelled):
        processed.run(JobKind.TRAIN, log)
    assert _children() == []


def test_a_refusal_of_a_child_is_the_refusal_of_the_step(processed: Any) -> None:
    """Chinese text needs the text encoder, which is not there."""
    processed.configure(family="v2", models_dir=str(processed.root), feature_processes=2)
    for clip in [item for step, item in processed.artifacts if step is StepName.ASR_TRANSCRIBE and item != LIST_ITEM]:
        processed.edits[clip] = TranscriptEdit(clip, "今天天气很好。", "zh")
    processed.run(JobKind.PROCESS)
    with pytest.raises(ModelMissingError, match="chinese-roberta"):
        processed.run(JobKind.TRAIN)
    assert _children() == []


def test_the_number_of_processes_follows_wish_clips_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert processes_for(JobConfig(feature_processes=3), 2) == 2
    assert processes_for(JobConfig(feature_processes=3), 100) == 3
    assert processes_for(JobConfig(), 10) == 1, "a process for a handful of clips does not pay"
    assert 1 <= processes_for(JobConfig(), 1000) <= 8


def test_a_spec_survives_its_journey(tmp_path: Path) -> None:
    item = Item(StepName.TRAIN_GPT, "声音", "hash", (Feed("一.wav", "1"),))
    voice = ArtifactRecord(StepName.TRAIN_SOVITS, "voice", "hash", "made", (OutputFile("models/a.pth", 1, 2, "3"),))
    readings = (Reading("重庆", "zh", "chong2 qing4"),)
    work = (StepName.TRAIN_GPT, "爱丽丝 😀", str(tmp_path), "scratch", JobConfig(), (item,))
    spec = ChildSpec(*work, readings, (voice,), 1, 2, "meet here")
    assert decode_spec(encode(spec)) == spec
