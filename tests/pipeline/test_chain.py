"""The ten steps on real speech, in one process: what is made, what is redone, what is dropped and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from GPT_SoVITS.checkpoints import read_gpt_weights, read_sovits_weights
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.inference import Reference, SpeakOptions, load_voice
from pipeline.context import Cancelled
from pipeline.listfile import parse_list
from pipeline.protocol import MessageType, Recording, TranscriptEdit
from pipeline.steps import JobKind, StepName

CLIPS = ("dir-nomore", "demo-thanks", "agent-alreadyon")


def _redone(reports: dict[str, Any]) -> dict[str, int]:
    return {step: report["redone"] for step, report in reports.items() if report["redone"]}


def test_recordings_become_clips_with_transcripts(character: Any) -> None:
    # given three recordings
    for clip in CLIPS:
        character.add(clip)
    # when they are processed
    reports = character.run(JobKind.PROCESS)
    # then each is a mono 32 kHz clip at most 15 s long, named by its first and last sample
    clips = sorted((character.root / "sliced_audio").iterdir())
    assert len(clips) == 3
    for clip in clips:
        info = soundfile.info(clip)
        assert (info.samplerate, info.channels, info.subtype) == (32_000, 1, "PCM_16")
        first, last = map(int, re.search(r"_(\d{10})_(\d{10})\.wav$", clip.name).groups())  # type: ignore[union-attr]
        assert last - first == info.frames
        assert 0.6 < info.duration <= 15
        assert (character.root / "denoised_audio" / clip.name).exists()
    # and the list file holds what is said
    listing = parse_list((character.root / "transcripts" / "爱丽丝.list").read_text(encoding="utf-8"))
    texts = {line.name.split(".flac")[0]: line.text.lower() for line in listing.lines}
    assert "compatible entries in the directory" in texts["dir-nomore"]
    assert "already logged on" in texts["agent-alreadyon"]
    assert all(line.language == "en" for line in listing.lines)
    # and the report counts every item
    assert reports["asr_transcribe"]["items_in"] == reports["asr_transcribe"]["items_out"] == 3
    # and a second run redoes nothing
    assert _redone(character.run(JobKind.PROCESS)) == {}


def test_a_new_recording_costs_only_itself_and_a_removed_one_only_the_list(character: Any) -> None:
    character.add(CLIPS[0])
    character.run(JobKind.PROCESS)
    character.add(CLIPS[1])
    redone = _redone(character.run(JobKind.PROCESS))
    assert redone == {"convert_audio": 1, "slice_audio": 1, "denoise_audio": 1, "asr_transcribe": 2}
    del character.recordings[f"{CLIPS[0]}.flac"]
    assert _redone(character.run(JobKind.PROCESS)) == {"asr_transcribe": 1}
    listing = parse_list((character.root / "transcripts" / "爱丽丝.list").read_text(encoding="utf-8"))
    assert [line.name.split(".flac")[0] for line in listing.lines] == [CLIPS[1]]


def test_a_given_transcript_wins_and_an_edit_wins_over_it(character: Any) -> None:
    character.add(CLIPS[0], text="These are the given words.")
    character.run(JobKind.PROCESS)
    transcripts = character.root / "transcripts" / "clips"
    found = json.loads(next(transcripts.iterdir()).read_text(encoding="utf-8"))
    assert (found["text"], found["source"]) == ("These are the given words.", "given")
    character.edits[found["clip"]] = TranscriptEdit(found["clip"], "Corrected words.")
    assert _redone(character.run(JobKind.PROCESS)) == {"asr_transcribe": 2}
    assert "Corrected words." in (character.root / "transcripts" / "爱丽丝.list").read_text(encoding="utf-8")


def test_what_was_recognised_comes_back_when_an_edit_is_taken_back(character: Any) -> None:
    character.add(CLIPS[0])
    character.run(JobKind.PROCESS)
    path = next((character.root / "transcripts" / "clips").iterdir())
    before = path.read_bytes()
    heard = json.loads(before)
    for edit in (TranscriptEdit(heard["clip"], "Other words."), TranscriptEdit(heard["clip"], excluded=True)):
        character.edits[heard["clip"]] = edit
        if not edit.excluded:
            character.run(JobKind.PROCESS)
        else:
            with pytest.raises(EngineError):  # it was the only clip
                character.run(JobKind.PROCESS)
        detail = character.artifacts[(StepName.ASR_TRANSCRIBE, heard["clip"])].detail
        assert detail["unedited"]["text"] == heard["text"]
    character.edits.clear()
    reports = character.run(JobKind.PROCESS)
    assert reports["asr_transcribe"]["redone"] == 2
    assert path.read_bytes() == before
    detail = character.artifacts[(StepName.ASR_TRANSCRIBE, heard["clip"])].detail
    assert (detail["source"], "unedited" in detail) == ("asr", False)


def test_what_cannot_be_used_is_dropped_with_its_reason_and_the_rest_goes_on(character: Any) -> None:
    character.add(CLIPS[0])
    raw = character.root / "raw_audio"
    (raw / "random.wav").write_bytes(np.random.default_rng(1).bytes(20_000))
    soundfile.write(raw / "silent.wav", np.zeros(32_000), 16_000)
    soundfile.write(raw / "whole.wav", np.random.default_rng(1).standard_normal(64_000) * 0.1, 16_000)
    (raw / "truncated.wav").write_bytes((raw / "whole.wav").read_bytes()[:40_000])
    for name in ("random.wav", "silent.wav", "truncated.wav"):
        character.recordings[name] = Recording(name, name)
    reports = character.run(JobKind.PROCESS)
    reasons = {each["item"]: each["reason"] for each in reports["convert_audio"]["dropped"]}
    assert set(reasons) == {"random.wav", "silent.wav", "truncated.wav"}
    assert "silent" in reasons["silent.wav"]
    assert "truncated" in reasons["truncated.wav"]
    assert reports["asr_transcribe"]["items_out"] == 1
    assert _redone(character.run(JobKind.PROCESS)) == {}, "a dropped item is not tried again"


def test_nothing_usable_is_one_clear_sentence(character: Any) -> None:
    raw = character.root / "raw_audio"
    raw.mkdir(parents=True)
    soundfile.write(raw / "silent.wav", np.zeros(32_000), 16_000)
    character.recordings["silent.wav"] = Recording("silent.wav", "1")
    with pytest.raises(EngineError, match="no clip of 爱丽丝 with a transcript is left of 1 recordings"):
        character.run(JobKind.PROCESS)


@pytest.mark.timeout(600)
def test_a_voice_is_trained_resumed_and_speaks(character: Any, new_log: Callable[..., Any], tmp_path: Path) -> None:
    # given processed audio with given transcripts
    texts = {
        "dir-nomore": "There are no more compatible entries in the directory.",
        "demo-thanks": "Goodbye. Thank you for trying out the Asterisk Open Source PBX.",
    }
    for clip, text in texts.items():
        character.add(clip, text=text)
    character.configure(epochs_s2=4)
    character.run(JobKind.PROCESS)

    # when the training is cancelled in the middle of SoVITS
    def after_two_steps(message: Any) -> bool:
        data = message.data
        return message.type is MessageType.PROGRESS and data["step"] == "train_sovits" and data["done"] >= 2

    log = new_log(after_two_steps)
    with pytest.raises(Cancelled):
        character.run(JobKind.TRAIN, log)
    state = character.root / "experiments" / "爱丽丝" / "logs_s2_nano"
    assert list(state.glob("state_*.pt")), "a checkpoint was kept"

    # then the next run continues from the checkpoint and redoes no features
    reports = character.run(JobKind.TRAIN)
    assert set(_redone(reports)) == {"train_sovits", "train_gpt"}
    assert reports["extract_speaker_vectors"]["note"] == "not used by this family"
    metrics = [json.loads(line) for line in (state / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in metrics] == list(range(1, len(metrics) + 1)), "no step twice, none missing"

    # and the experiment folder has the public formats
    experiment = character.root / "experiments" / "爱丽丝"
    lines = (experiment / "2-name2text.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert all(len(line.split("\t")) == 4 for line in lines)
    assert (experiment / "6-name2semantic.tsv").read_text().startswith("item_name\tsemantic_audio\n")
    features = torch.load(next((experiment / "4-cnhubert").iterdir()), weights_only=True)
    assert features.shape[:2] == (1, 512)

    # and the weights open and speak, the same for the same seed
    made = (character.root / "models").iterdir()
    sovits, gpt, *curves = sorted(made, key=lambda path: (path.suffix != ".pth", path.suffix != ".ckpt"))
    assert sorted(path.name for path in curves) == sorted(
        path.with_suffix(".metrics.jsonl").name for path in (sovits, gpt)
    )
    assert read_sovits_weights(sovits).family.name == "nano"
    assert read_gpt_weights(gpt).config.n_layer == character_layers()
    voice = load_voice(sovits, gpt, device="cpu")
    clip = next((character.root / "sliced_audio").glob("dir-nomore*"))
    reference = Reference(clip, texts["dir-nomore"], "en")
    spoken = voice.speak("Hello world.", "en", reference, SpeakOptions(seed=7))
    again = voice.speak("Hello world.", "en", reference, SpeakOptions(seed=7))
    assert spoken.rate_hz == 32_000
    assert len(spoken.samples) > 3_200
    assert np.array_equal(spoken.samples, again.samples)

    # and another number of GPT epochs trains GPT alone
    character.configure(epochs_s1=2)
    assert _redone(character.run(JobKind.TRAIN)) == {"train_gpt": 1}


def character_layers() -> int:
    from GPT_SoVITS.families import family

    return family("nano").gpt.n_layer


def test_a_missing_output_is_made_again(character: Any) -> None:
    character.add(CLIPS[0])
    character.run(JobKind.PROCESS)
    converted = next((character.root / "converted_audio").iterdir())
    converted.unlink()
    redone = _redone(character.run(JobKind.PROCESS))
    assert redone == {"convert_audio": 1}, "the same bytes come out, so the wave stops there"
    assert StepName.CONVERT_AUDIO in {step for step, _ in character.artifacts}
