"""What the data report says of recordings, and what it advises."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from daemon import data_report
from daemon.data_advice import advice
from daemon.data_report import Report, sort_of
from daemon.tables import Artifact, AudioFile
from pipeline.steps import JobKind
from tests.daemon.installation import CLIP_S, Installation

NAME = "小明"
SAMPLES = CLIP_S * 32_000


def report(installation: Installation) -> Report:
    with installation.database.read() as session:
        return data_report.of_character(session, installation.world.settings, installation.now(NAME))


def change(installation: Installation, step: str, item: str, **detail: Any) -> None:
    with installation.database.write() as session:
        row = session.exec(select(Artifact).where(Artifact.step == step, Artifact.item == item)).one()
        row.detail = {**row.detail, **detail}
        session.add(row)


@pytest.fixture
def recorded(installation: Installation) -> Installation:
    """小明 with two processed recordings of 12 s, each cut into two clips of 5 s."""
    installation.character(NAME)
    for name in ("a.wav", "b.wav"):
        installation.record(NAME, name, name.encode())
    with installation.database.write() as session:
        for row in session.exec(select(AudioFile)).all():
            row.duration_s = 12.0
            session.add(row)
    installation.work(NAME, JobKind.PROCESS)
    return installation


def clip(recording: str, number: int) -> str:
    return f"{recording}_{number * SAMPLES:010d}_{(number + 1) * SAMPLES:010d}.wav"


def test_without_recordings_it_says_what_is_needed(installation: Installation) -> None:
    installation.character(NAME)
    assert "5 to 30 minutes" in report(installation).advice[0]
    installation.record(NAME, "a.wav")
    found = report(installation)
    assert (found.kept_clips, found.losses[0].reason) == (0, "not processed yet")
    assert "not processed" in found.advice[0]


def test_every_second_is_either_kept_or_lost_for_a_reason(recorded: Installation) -> None:
    change(recorded, "asr_transcribe", clip("a.wav", 0), dropped="no speech (probability 0.91)")
    change(recorded, "asr_transcribe", clip("b.wav", 0), dropped="no speech (probability 0.83)")
    pieces = [{"start": 2 * SAMPLES, "end": 2 * SAMPLES + 16_000, "reason": "shorter than 0.6 s"}]
    change(recorded, "slice_audio", "a.wav", dropped_clips=pieces)
    found = report(recorded)
    assert (found.recorded_s, found.clips, found.kept_clips, found.kept_s) == (24.0, 4, 2, 10.0)
    losses = {loss.reason: (loss.items, loss.seconds) for loss in found.losses}
    assert losses == {
        "no speech": (2, 10.0),
        "shorter than … s": (1, 0.5),
        "silence between the clips": (2, 3.5),
    }
    assert found.kept_s + sum(loss.seconds for loss in found.losses) == found.recorded_s
    assert any("44 %" in sentence and "no speech" in sentence for sentence in found.advice)


def test_lengths_noise_clipping_and_confidence_are_summed_up(recorded: Installation) -> None:
    measures = {
        clip("a.wav", 0): {"snr_db": 10.0, "clipped": 0.01, "level_db": -20.0},
        clip("a.wav", 1): {"snr_db": 14.0, "clipped": 0.0, "level_db": -20.0},
    }
    change(recorded, "slice_audio", "a.wav", measures=measures)
    for number, log_probability in ((0, -0.1), (1, -1.5)):
        scores = {"average_log_probability": log_probability}
        change(recorded, "asr_transcribe", clip("a.wav", number), source="asr", scores=scores)
    found = report(recorded)
    assert [bar.clips for bar in found.lengths] == [0, 0, 4, 0, 0, 0, 0]
    assert found.snr_db == data_report.Spread(10.0, 12.0, 14.0)
    assert (found.clipped_clips, found.unsure_clips, found.reference_clips) == (1, 1, 4)
    assert found.confidence == pytest.approx(0.564, abs=1e-3)
    assert found.languages == {"zh": 20.0}
    told = " ".join(found.advice)
    for word in ("20 s can be used", "12 dB", "1 clips are distorted", "1 transcripts are uncertain"):
        assert word in told
    assert found.speaker_consistency is None
    assert "three clips" in found.speaker_consistency_note


def mark(*values: int) -> str:
    return base64.b64encode(bytes(values) + bytes(256 - len(values))).decode()


def test_clips_of_one_person_are_consistent_and_a_stranger_among_them_is_named(recorded: Installation) -> None:
    # given four clips that sound alike
    same, other = mark(200, 100, 100), mark(0, 60, 0, 240)
    for name in ("a.wav", "b.wav"):
        change(recorded, "slice_audio", name, speakers={clip(name, 0): same, clip(name, 1): same})
    found = report(recorded)
    assert (found.speaker_consistency, found.stranger_clips) == (1.0, ())
    assert found.speaker_consistency_note == ""
    assert not any("speaker" in sentence for sentence in found.advice)
    # when one of them is somebody else's
    change(recorded, "slice_audio", "b.wav", speakers={clip("b.wav", 0): same, clip("b.wav", 1): other})
    found = report(recorded)
    assert found.stranger_clips == (clip("b.wav", 1),)
    assert found.speaker_consistency == pytest.approx((3 + 3 * 0.099) / 6, abs=1e-3)
    assert any("wrong speaker" in sentence for sentence in found.advice)


def test_a_clip_without_a_mark_or_too_short_to_judge_is_left_out(recorded: Installation) -> None:
    change(recorded, "slice_audio", "a.wav", speakers={clip("a.wav", 0): mark(1), clip("a.wav", 1): ""})
    change(recorded, "slice_audio", "b.wav", speakers={clip("b.wav", 0): mark(1)})
    assert report(recorded).speaker_consistency is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kept_s": 30.0}, "less than one minute"),
        ({"kept_s": 120.0}, "2.0 minutes"),
        ({"kept_s": 3600.0}, "beyond 30 minutes"),
        ({"reference_clips": 0}, "3 to 10 s"),
        ({"languages": {"zh": 60.0, "en": 40.0}}, "another language (en)"),
        ({"speaker_consistency": 0.4}, "wrong speaker"),
        ({"speaker_consistency": 0.9, "stranger_clips": ("x.wav",)}, "for example x.wav"),
        ({}, "nothing stands in the way"),
    ],
)
def test_advice_names_what_would_help(recorded: Installation, changes: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"kept_s": 600.0, "reference_clips": 9, "losses": (), "languages": {"zh": 600.0}}
    found = advice(replace(report(recorded), **{**good, **changes}), "zh")
    assert len(found.advice) == 1
    assert words in found.advice[0]


def test_reasons_are_told_apart_by_their_sort() -> None:
    assert sort_of("the recording is too short: 0.43 s, at least 0.6 s are needed") == "the recording is too short"
    assert sort_of("too many characters for the time (41 a second)") == "too many characters for the time"
    assert sort_of("123") == "…"
