"""Only what a change made stale is redone, seen from outside in the step log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

AUDIO_STEPS = ("convert_audio", "slice_audio", "denoise_audio", "asr_transcribe")
CLIP_STEPS = ("extract_text_features", "extract_audio_features", "extract_semantic_features")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_only_what_a_change_made_stale_is_redone(service: Any, recordings: list[Path]) -> None:
    # given a service that has processed and trained on one recording
    name = "爱丽丝"
    many = recordings[: min(21, len(recordings) - 1)]
    service.start()
    service.drop(name, many[0])
    assert service.wait(name, "audio")["status"] == "completed"
    assert service.wait(name, "training")["status"] == "completed"
    first = service.redone(service.last_job(name, "audio"))
    assert {step: first[step] for step in ("convert_audio", "slice_audio")} == {"convert_audio": 1, "slice_audio": 1}

    # when more recordings are dropped, then only they are processed
    audio, training = service.last_job(name, "audio"), service.last_job(name, "training")
    service.drop(name, *many[1:], config=None)
    assert service.wait(name, "audio", after=audio)["status"] == "completed"
    redone = service.redone(service.last_job(name, "audio"))
    assert redone["convert_audio"] == len(many) - 1
    assert redone["slice_audio"] == len(many) - 1
    assert service.wait(name, "training", after=training)["status"] == "completed"
    clips = service.redone(service.last_job(name, "training"))
    assert clips["train_sovits"] == 1
    assert clips["train_gpt"] == 1

    # when the same ones are dropped again, then no job runs and nothing is stored twice
    audio, training = service.last_job(name, "audio"), service.last_job(name, "training")
    service.drop(name, *many, config=None)
    service.until(lambda: not list((service.inbox / name).glob("*.flac")), "the same files to be taken")
    service.until(lambda: _quiet(service), "the service to be quiet")
    assert (service.last_job(name, "audio"), service.last_job(name, "training")) == (audio, training)
    assert len(list((service.work_dir / "characters" / name / "raw_audio").glob("*.flac"))) == len(many)
    assert service.call("GET", f"/characters/{name}/training/status")[1]["status"] == "completed"

    # when a recording is only touched, then it costs nothing
    raw = service.work_dir / "characters" / name / "raw_audio" / many[0].name
    raw.touch()
    service.until(lambda: _quiet(service), "the service to be quiet")
    assert service.call("GET", f"/characters/{name}/audio/status")[1]["status"] == "completed"

    # when one recording gets new bytes, then one recording is redone
    audio, training = service.last_job(name, "audio"), service.last_job(name, "training")
    shutil.copy(recordings[-1], service.inbox / name / many[0].name)
    assert service.wait(name, "audio", after=audio)["status"] == "completed"
    redone = service.redone(service.last_job(name, "audio"))
    assert redone["convert_audio"] == 1
    assert redone["slice_audio"] == 1
    assert service.wait(name, "training", after=training)["status"] == "completed"

    # when epochs_s1 changes, then GPT alone is trained again
    training = service.last_job(name, "training")
    (service.inbox / name / "character.yaml").write_text("language: en\nepochs_s2: 1\nepochs_s1: 2\n", encoding="utf-8")
    service.until(lambda: service.call("GET", f"/characters/{name}")[1]["config"]["epochs_s1"] == 2, "the new config")
    service.call("POST", f"/characters/{name}/training/start")
    assert service.wait(name, "training", after=training)["status"] == "completed"
    redone = service.redone(service.last_job(name, "training"))
    assert {step for step, count in redone.items() if count} == {"train_gpt"}

    # when one transcript is corrected, then that clip's text features and the trainings are redone, nothing else
    audio, training = service.last_job(name, "audio"), service.last_job(name, "training")
    listing = service.work_dir / "characters" / name / "transcripts" / f"{name}.list"
    lines = listing.read_text(encoding="utf-8").splitlines()
    fields = lines[0].split("|")
    lines[0] = "|".join([*fields[:3], "There are no more compatible entries in this directory."])
    listing.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert service.wait(name, "audio", after=audio)["status"] == "completed"
    redone = service.redone(service.last_job(name, "audio"))
    assert {step for step, count in redone.items() if count} == {"asr_transcribe"}
    assert service.wait(name, "training", after=training)["status"] == "completed"
    redone = service.redone(service.last_job(name, "training"))
    assert redone["extract_text_features"] == 2, "one clip and the file that lists all"
    assert {step for step, count in redone.items() if count} == {"extract_text_features", "train_sovits", "train_gpt"}
    assert "compatible entries in this directory" in listing.read_text(encoding="utf-8")


def _quiet(service: Any) -> bool:
    import time

    time.sleep(4)
    return not service.rows("SELECT id FROM job WHERE status IN ('pending', 'running')")
