"""Recordings and uploads."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlmodel import select

from daemon import characters, recordings, renaming, uploads
from daemon.errors import BusyError, NotFoundError, UnsupportedAudioError
from daemon.tables import AudioFile, Event
from daemon.uploads import Arrived
from tests.daemon.installation import Installation

NAME = "小明"
CLIPS = Path(__file__).parents[2] / "data" / "allison_en"
CLIP = CLIPS / "demo-thanks.flac"
OTHER = CLIPS / "tt-allbusy.flac"


def listed(installation: Installation) -> list[str]:
    with installation.database.read() as session:
        return [row.filename for row in recordings.listing(session, characters.get(session, NAME))]


def arrived(installation: Installation, source: Path, name: str) -> Arrived:
    folder = installation.layout.scratch / "upload-1"
    folder.mkdir(exist_ok=True)
    content = source.read_bytes()
    (folder / name).write_bytes(content)
    return Arrived(folder / name, hashlib.sha256(content).hexdigest())


def store(installation: Installation, source: Path, name: str) -> uploads.Stored:
    world = installation.world
    return uploads.store(world.database, world.settings, world.layout, NAME, arrived(installation, source, name))


def test_recordings_are_listed_by_file_name(installation: Installation) -> None:
    installation.character(NAME)
    for name in ("b.wav", "a.wav", "长.wav"):
        installation.record(NAME, name, name.encode())
    assert listed(installation) == ["a.wav", "b.wav", "长.wav"]


def test_deleting_a_recording_removes_row_file_and_the_transcript_beside_it(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    (installation.layout.raw_audio(NAME) / "a.wav.txt").write_text("hello")
    recordings.delete_file(installation.database, installation.layout, NAME, "a.wav")
    assert listed(installation) == []
    assert list(installation.layout.raw_audio(NAME).iterdir()) == []
    with pytest.raises(NotFoundError, match="a.wav"):
        recordings.delete_file(installation.database, installation.layout, NAME, "a.wav")


def test_a_recording_whose_file_is_gone_can_still_be_deleted(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    (installation.layout.raw_audio(NAME) / "a.wav").unlink()
    recordings.delete_file(installation.database, installation.layout, NAME, "a.wav")
    assert listed(installation) == []


def test_every_change_is_an_event(installation: Installation) -> None:
    installation.character(NAME)
    row = installation.record(NAME, "a.wav")
    with installation.database.write() as session:
        recordings.set_transcript(session, session.get_one(AudioFile, row.id), "hello", "en")
    recordings.delete_file(installation.database, installation.layout, NAME, "a.wav")
    with installation.database.read() as session:
        kinds = [event.kind for event in session.exec(select(Event).where(Event.character_id == row.character_id))]
    assert kinds[-3:] == ["audio.added", "audio.transcript", "audio.removed"]


def test_an_upload_is_stored_with_its_facts(installation: Installation) -> None:
    installation.character(NAME)
    assert store(installation, CLIP, "hello.flac").filename == "hello.flac"
    with installation.database.read() as session:
        row = recordings.listing(session, characters.get(session, NAME))[0]
    assert (installation.layout.raw_audio(NAME) / "hello.flac").read_bytes() == CLIP.read_bytes()
    assert row.origin == "api"
    assert row.duration_s is not None
    assert 0.3 < row.duration_s < 60
    assert row.sample_rate_hz
    assert row.mtime_ns == (installation.layout.raw_audio(NAME) / "hello.flac").stat().st_mtime_ns


def test_the_same_bytes_are_not_stored_twice(installation: Installation) -> None:
    installation.character(NAME)
    store(installation, CLIP, "one.flac")
    again = store(installation, CLIP, "two.flac")
    assert again.filename == "one.flac"
    assert "already stored" in again.message
    assert listed(installation) == ["one.flac"]


def test_new_bytes_under_a_known_name_replace_the_recording(installation: Installation) -> None:
    installation.character(NAME)
    store(installation, CLIP, "one.flac")
    assert "replaced" in store(installation, OTHER, "one.flac").message
    assert (installation.layout.raw_audio(NAME) / "one.flac").read_bytes() == OTHER.read_bytes()
    assert listed(installation) == ["one.flac"]


def test_a_lost_file_is_stored_again_although_its_bytes_are_known(installation: Installation) -> None:
    installation.character(NAME)
    store(installation, CLIP, "one.flac")
    (installation.layout.raw_audio(NAME) / "one.flac").unlink()
    store(installation, CLIP, "one.flac")
    assert (installation.layout.raw_audio(NAME) / "one.flac").exists()


def test_a_file_that_somebody_put_there_by_hand_is_never_overwritten(installation: Installation) -> None:
    installation.character(NAME)
    by_hand = installation.layout.raw_audio(NAME) / "one.flac"
    by_hand.write_bytes(b"by hand")
    stored = store(installation, CLIP, "one.flac")
    assert by_hand.read_bytes() == b"by hand"
    assert stored.filename != "one.flac"
    assert stored.filename.endswith(".flac")


def test_what_is_no_audio_is_refused_and_leaves_nothing(installation: Installation, tmp_path: Path) -> None:
    installation.character(NAME)
    bad = tmp_path / "bad"
    bad.write_bytes(b"RIFF but not really" * 100)
    with pytest.raises(UnsupportedAudioError, match="bad.wav"):
        store(installation, bad, "bad.wav")
    assert listed(installation) == []
    assert list(installation.layout.raw_audio(NAME).iterdir()) == []


def test_an_upload_waits_while_its_character_is_being_renamed(installation: Installation) -> None:
    installation.character(NAME)
    with installation.database.write() as session:
        character = characters.get(session, NAME)
        character.renaming_to = "b"
        session.add(character)
    with pytest.raises(BusyError):
        store(installation, CLIP, "one.flac")
    renaming.finish_renames(installation.database, installation.layout)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.wav.exe", "../a.py", "wav"])
def test_a_name_without_an_audio_extension_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedAudioError, match="extension"):
        uploads.safe_name(name)


def test_an_upload_keeps_only_the_last_part_of_its_name() -> None:
    assert uploads.safe_name("../../etc/我的.WAV") == "我的.WAV"
