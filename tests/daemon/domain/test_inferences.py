"""Sentences: accepting them, their references, and the lane's steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from daemon import characters, inferences, recordings, references
from daemon.errors import ConflictError, InvalidInputError, NotFoundError
from daemon.inferences import InferenceRequest
from daemon.settings import load_settings
from daemon.tables import Artifact, Inference, Status, Voice
from GPT_SoVITS.text.dictionary import Reading
from pipeline.protocol import SpeakRequest, decode_speak, encode
from pipeline.steps import JobKind, StepName
from tests.daemon.installation import Installation

NAME = "小明"
CLIP = "a.wav_0000000000_0000160000.wav"


@pytest.fixture
def voiced(installation: Installation) -> Installation:
    """A character with a trained voice."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    return installation


def create(installation: Installation, **fields: Any) -> Inference:
    world = installation.world
    request = InferenceRequest(**{"target_text": "你好", **fields})
    return inferences.create(world.database, world.settings, world.layout, request)


def told(installation: Installation, **fields: Any) -> SpeakRequest:
    row = create(installation, **fields)
    world = installation.world
    with world.database.read() as session:
        return inferences.speak_request(session, world.settings, world.layout, row)


def shown(installation: Installation, inference: Inference) -> Inference:
    with installation.database.read() as session:
        return inferences.get(session, inference.id)


def test_without_a_name_the_default_character_speaks(voiced: Installation) -> None:
    voiced.character("another")
    assert create(voiced).character_name == NAME


def test_the_voice_worker_is_told_the_users_readings(voiced: Installation) -> None:
    voiced.layout.dictionaries(NAME)[1].write_text("重庆\tzh\tchong2 qing4\n", encoding="utf-8")
    request = told(voiced)
    assert request.readings == (Reading("重庆", "zh", "chong2 qing4"),)
    assert decode_speak(encode(request)) == request


def test_an_untrained_character_imitates_a_reference_where_its_family_has_a_base(
    installation: Installation, tmp_path: Path
) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    public = {("training", "family"): "v2ProPlus", ("paths", "models_dir"): tmp_path / "nothing"}
    _choose_family(installation, "v2ProPlus")
    without_base = load_settings(environment={}, overrides=public).settings
    request = InferenceRequest(target_text="你好", ref_audio="a.wav")
    with pytest.raises(ConflictError, match="no trained voice yet"):
        inferences.create(installation.database, without_base, installation.layout, request)

    # when a base is there
    _choose_family(installation, "nano")
    base = tmp_path / "models" / "nano"
    base.mkdir(parents=True)
    (base / "SHA256SUMS").write_text("")
    settings = installation.world.settings
    paths = settings.paths.model_copy(update={"models_dir": tmp_path / "models"})
    training = settings.training.model_copy(update={"family": "nano"})
    with_base = settings.model_copy(update={"paths": paths, "training": training})
    world = installation.world

    # then it speaks with that, and only where there is something to imitate
    row = inferences.create(world.database, with_base, world.layout, request)
    with world.database.read() as session:
        told = inferences.speak_request(session, with_base, world.layout, row)
    assert (told.family, told.sovits_path, told.gpt_path) == ("nano", "", "")
    with pytest.raises(ConflictError, match="no trained voice yet"):
        inferences.create(world.database, with_base, world.layout, InferenceRequest(target_text="你好"))


def _choose_family(installation: Installation, family: str) -> None:
    with installation.database.write() as session:
        character = characters.get(session, NAME)
        character.config = {**character.config, "family": family}
        session.add(character)


def test_the_worker_is_told_how_fast_the_voice_speaks_and_whether_to_listen(voiced: Installation) -> None:
    assert told(voiced).codes_per_phone is None
    with voiced.database.write() as session:
        voice = session.exec(select(Voice)).one()
        voice.metrics = {**voice.metrics, "gpt": {"codes_per_phone": [1.5, 6.0]}}
        session.add(voice)
    request = told(voiced)
    assert request.codes_per_phone == (1.5, 6.0)
    assert not request.verify_words
    assert decode_speak(encode(request)) == request


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_text": " \n"}, "target_text"),
        ({"target_text": "长" * 5001}, "target_text"),
        ({"target_text": "\ud800"}, "target_text"),
        ({"target_language": "Klingon"}, "target_language"),
        ({"ref_language": "Klingon"}, "ref_language"),
        ({"ref_audio": "nothing.wav"}, "ref_audio"),
        ({"ref_audio": "/etc/passwd"}, "ref_audio"),
        ({"ref_audio": "../../../../etc/hostname"}, "ref_audio"),
        ({"ref_audio": "sovits.db"}, "ref_audio"),
        ({"ref_audio": "a\0.wav"}, "ref_audio"),
        ({"ref_audio": ""}, "ref_audio"),
    ],
)
def test_what_cannot_be_spoken_is_refused_naming_the_field(
    voiced: Installation, fields: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        create(voiced, **fields)


def test_an_unknown_character_and_one_without_a_voice_are_told_apart(installation: Installation) -> None:
    with pytest.raises(NotFoundError, match="default"):
        create(installation)
    with pytest.raises(NotFoundError):
        create(installation, character_name="nobody")
    installation.character(NAME)
    with pytest.raises(ConflictError, match="training"):
        create(installation)


@pytest.mark.parametrize(
    ("word", "mode"), [("中文", "all_zh"), ("英文", "en"), ("Japanese", "all_ja"), ("auto", "auto")]
)
def test_language_words_become_modes(voiced: Installation, word: str, mode: str) -> None:
    assert told(voiced, target_language=word).language == mode


def test_the_best_clip_is_chosen_with_its_transcript(voiced: Installation) -> None:
    request = told(voiced)
    assert Path(request.ref_audio).parent.name == "denoised_audio"
    assert request.ref_text.startswith("text of a.wav_")
    assert request.ref_language == "all_zh"
    assert Path(request.sovits_path).is_file()
    assert Path(request.gpt_path).is_file()


def test_the_choice_prefers_a_fitting_length_and_then_confidence(voiced: Installation) -> None:
    clips = {
        "a.wav_0000000000_0000032000.wav": (0.0, "1 s is too short"),
        "a.wav_0000000000_0000640000.wav": (0.0, "20 s is too long"),
        "a.wav_0000000000_0000192000.wav": (-0.9, "6 s, but badly recognised"),
        "a.wav_0000000000_0000128000.wav": (-0.1, "4 s, well recognised"),
    }
    with voiced.database.write() as session:
        for row in session.query(Artifact).filter_by(step=StepName.ASR_TRANSCRIBE.value):
            session.delete(row)
        for clip, (score, text) in clips.items():
            detail = {"text": text, "language": "zh", "scores": {"average_log_probability": score}}
            (voiced.layout.character(NAME) / "sliced_audio" / clip).write_bytes(b"x")
            session.add(
                Artifact(
                    character_id=voiced.now(NAME).id,
                    step=StepName.ASR_TRANSCRIBE.value,
                    item=clip,
                    input_hash="",
                    output_hash="",
                    outputs=[],
                    detail=detail,
                )
            )
    with voiced.database.read() as session:
        assert references.best(session, voiced.layout, voiced.now(NAME)).text == "4 s, well recognised"


def test_a_reference_is_named_by_clip_recording_or_path(voiced: Installation) -> None:
    root = voiced.layout.character(NAME)
    assert told(voiced, ref_audio=CLIP).ref_text == f"text of {CLIP}"
    assert told(voiced, ref_audio="a.wav").ref_audio == str(voiced.layout.raw_audio(NAME) / "a.wav")
    by_path = str(root / "sliced_audio" / CLIP)
    assert told(voiced, ref_audio=by_path).ref_audio == by_path
    relative = f"characters/{NAME}/raw_audio/a.wav"
    assert told(voiced, ref_audio=relative).ref_audio.endswith("raw_audio/a.wav")
    waiting = voiced.layout.inbox(NAME) / "w.wav"
    waiting.write_bytes(b"x")
    assert told(voiced, ref_audio=str(waiting)).ref_audio == str(waiting)


def test_a_link_out_of_the_folders_is_no_reference(voiced: Installation, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    (voiced.layout.inbox(NAME) / "link.wav").symlink_to(secret)
    with pytest.raises(InvalidInputError):
        create(voiced, ref_audio=str(voiced.layout.inbox(NAME) / "link.wav"))


def test_what_the_client_says_about_the_reference_wins(voiced: Installation) -> None:
    request = told(voiced, ref_audio=CLIP, ref_text="hello", ref_language="English")
    assert (request.ref_text, request.ref_language) == ("hello", "en")


def test_the_transcript_that_came_with_a_recording_is_used(voiced: Installation) -> None:
    with voiced.database.write() as session:
        row = recordings.find(session, voiced.now(NAME), "a.wav")
        recordings.set_transcript(session, row, "こんにちは", "ja")
    request = told(voiced, ref_audio="a.wav")
    assert (request.ref_text, request.ref_language) == ("こんにちは", "all_ja")


def test_an_output_name_cannot_lead_out_of_the_folder(voiced: Installation) -> None:
    path = Path(told(voiced, output_name="../../x/我的.wav").output_path)
    assert path.parent == voiced.layout.inference
    assert path.name.startswith("我的_")


def test_the_lane_takes_the_oldest_first_and_each_once(voiced: Installation) -> None:
    first, second = create(voiced), create(voiced)
    taken = [inferences.claim(voiced.database) for _ in range(3)]
    assert [each and each.id for each in taken] == [first.id, second.id, None]


def test_a_spoken_sentence_is_completed_with_its_file(voiced: Installation) -> None:
    made = create(voiced)
    inferences.claim(voiced.database)
    inferences.progress(voiced.database, made.id, 40.0)
    assert (shown(voiced, made).status, shown(voiced, made).progress) == (Status.RUNNING, 40.0)
    inferences.finish(voiced.database, made.id, {"seconds": 1.5})
    row = shown(voiced, made)
    assert (row.status, row.progress, row.output_path) == (Status.COMPLETED, 100.0, f"inference/{made.id}.wav")
    assert row.detail["seconds"] == 1.5
    # and a voice without a base says plainly what it is
    assert "not a usable voice" in row.detail["warnings"][0]


def test_a_failed_sentence_says_why(voiced: Installation) -> None:
    made = create(voiced)
    inferences.fail(voiced.database, made.id, "the voice has no tokens")
    assert (shown(voiced, made).status, shown(voiced, made).error_message) == ("failed", "the voice has no tokens")


def test_a_sentence_interrupted_once_is_spoken_again_and_fails_the_second_time(voiced: Installation) -> None:
    made = create(voiced)
    inferences.claim(voiced.database)
    inferences.recover(voiced.database)
    assert shown(voiced, made).status == Status.PENDING
    inferences.claim(voiced.database)
    inferences.recover(voiced.database)
    assert shown(voiced, made).status == Status.FAILED


def test_the_newest_come_first(voiced: Installation) -> None:
    made = [create(voiced).id for _ in range(3)]
    with voiced.database.read() as session:
        assert [row.id for row in inferences.list_all(session)] == made[::-1]
