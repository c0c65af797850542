"""What comes with recordings: the character's config, transcripts, and what people change by hand later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import Session, select

from daemon import characters, queue
from daemon.removal import delete_character
from daemon.renaming import rename
from daemon.tables import Artifact, AudioFile, Origin, TranscriptEdit
from pipeline.steps import JobKind
from tests.daemon.inbox.conftest import QUIET_S, Place, wav_bytes


def test_an_empty_folder_makes_the_character_once(place: Place) -> None:
    place.layout.inbox("小明").mkdir()
    place.settle()
    assert place.character("小明").is_default
    (place.layout.inbox("小明") / "notes").mkdir()
    delete_character(place.database, place.layout, "小明")
    place.restart()
    place.settle()
    with place.database.read() as session:
        assert characters.find(session, "小明") is None


def test_character_yaml_sets_the_config_and_a_change_changes_it(place: Place) -> None:
    path = place.write("anna/character.yaml", "language: en\nepochs_s1: 3\n")
    place.settle()
    assert path.exists()
    assert (place.character().config["language"], place.character().config["epochs_s1"]) == ("en", 3)
    path.write_text("language: ja\nepochs_s1: 4\n", encoding="utf-8")
    place.settle()
    assert (place.character().config["language"], place.character().config["epochs_s1"]) == ("ja", 4)


def test_what_the_api_set_later_survives_a_restart_and_a_rename(place: Place) -> None:
    place.write("anna/character.yaml", "language: en\n")
    place.settle()

    def choose(session: Session) -> None:
        row = characters.get(session, "anna")
        row.config = {**row.config, "language": "ko"}
        session.add(row)

    place.write_rows(choose)
    place.restart()
    place.settle()
    assert place.character().config["language"] == "ko"
    rename(place.database, place.layout, "anna", "berta")
    place.settle()
    assert place.character("berta").config["language"] == "ko"


@pytest.mark.parametrize("first", ["sidecar", "recording"])
@pytest.mark.parametrize("sidecar", ["a b.txt", "a b.lab", "a b.wav.txt"])
def test_a_transcript_beside_a_recording_is_taken_in_any_order(place: Place, first: str, sidecar: str) -> None:
    steps: list[Callable[[], Path]] = [
        lambda: place.write(f"anna/{sidecar}", "Hello  there.\n"),
        lambda: place.wav("anna/a b.wav"),
    ]
    for step in steps if first == "sidecar" else reversed(steps):
        step()
        place.settle()
    assert place.rows()["a b.wav"].transcript_text == "Hello there."
    assert place.raw("a b.wav.txt").read_text(encoding="utf-8") == "Hello there.\n"
    assert not (place.layout.inbox("anna") / sidecar).exists()
    assert place.inbox.describe()["orphan_sidecars"] == {}


def test_an_orphan_sidecar_waits_and_is_listed(place: Place) -> None:
    path = place.write("anna/a.txt", "words")
    place.wav("anna/b.wav")
    place.settle()
    assert path.exists()
    assert str(path) in place.inbox.describe()["orphan_sidecars"]
    assert place.inbox.describe()["settling"] == {}


def test_a_changed_sidecar_updates_and_a_replaced_recording_keeps_its_words(place: Place) -> None:
    place.wav("anna/x/a.wav")
    place.write("anna/x/a.txt", "one")
    place.settle()
    place.write("anna/x/a.txt", "two")
    place.settle()
    assert place.rows()["x__a.wav"].transcript_text == "two"
    place.wav("anna/x/a.wav", tone=9)
    place.settle()
    assert place.rows()["x__a.wav"].transcript_text == "two"


def test_a_list_file_gives_transcripts_with_their_language(place: Place) -> None:
    place.write("anna/all.list", "D:\\audio\\a.wav|anna|JP|こんにちは\n/data/b.wav|anna|en|Bye.\n")
    place.wav("anna/a.wav", tone=1)
    place.settle()
    assert (place.layout.inbox("anna") / "all.list").exists()
    place.wav("anna/sub/b.wav", tone=2)
    place.settle()
    rows = place.rows()
    assert (rows["a.wav"].transcript_text, rows["a.wav"].transcript_language) == ("こんにちは", "ja")
    assert (rows["sub__b.wav"].transcript_text, rows["sub__b.wav"].transcript_language) == ("Bye.", "en")
    assert not (place.layout.inbox("anna") / "all.list").exists()


def test_recordings_put_in_changed_and_taken_out_by_hand_are_noticed(place: Place) -> None:
    place.wav("anna/a.wav", tone=1)
    place.settle()
    place.raw("by hand.wav").write_bytes(wav_bytes(2))
    place.pass_time(20)
    assert place.rows()["by hand.wav"].origin == Origin.MANUAL
    place.raw("a.wav").write_bytes(wav_bytes(3, 2))
    place.pass_time(place.settings.inbox.reconcile_seconds + 1)
    place.pass_time(20)
    assert place.rows()["a.wav"].duration_s == 2.0
    place.raw("by hand.wav").unlink()
    place.pass_time(20)
    assert set(place.rows()) == {"a.wav"}
    assert len(place.events("audio.removed")) == 1


def test_a_touched_recording_costs_nothing(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()
    events = len(place.events("audio.added")) + len(place.events("audio.replaced"))
    place.raw("a.wav").touch()
    place.pass_time(place.settings.inbox.reconcile_seconds + 1)
    place.pass_time(20)
    assert place.rows()["a.wav"].mtime_ns == place.raw("a.wav").stat().st_mtime_ns
    assert len(place.events("audio.added")) + len(place.events("audio.replaced")) == events


def test_a_missing_raw_audio_folder_removes_no_recording(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()
    place.layout.raw_audio("anna").rename(place.state / "unmounted")
    place.pass_time(place.settings.inbox.reconcile_seconds + 1)
    place.pass_time(20)
    assert set(place.rows()) == {"a.wav"}
    assert str(place.layout.raw_audio("anna")) in place.inbox.describe()["unreadable"]


def _artifact(place: Place, step: str, item: str, path: str, content: str, detail: dict[str, object]) -> Path:
    """Put a step's output on the disk and on record, as the steps do."""
    target = place.layout.character("anna") / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8")
    status = target.stat()
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    output = {"path": path, "size_bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": sha256}
    row = Artifact(
        character_id=place.character().id or 0,
        step=step,
        item=item,
        input_hash="i",
        output_hash=sha256,
        outputs=[output],
        detail=detail,
    )
    place.write_rows(lambda session: session.add(row))
    return target


def _edits(place: Place) -> dict[str, tuple[str | None, str | None, bool]]:
    with place.database.read() as session:
        rows = session.exec(select(TranscriptEdit)).all()
        return {row.clip: (row.text, row.language, row.excluded) for row in rows}


@pytest.fixture
def listed(place: Place) -> Path:
    """A character with two recognised clips and the list of them."""
    place.wav("anna/a.wav")
    place.settle()
    for clip, text in (("a_1.wav", "one"), ("a_2.wav", "two")):
        detail: dict[str, object] = {"text": text, "language": "en", "source": "asr"}
        _artifact(place, "asr_transcribe", clip, f"transcripts/clips/{clip}.json", text, detail)
    content = "sliced_audio/a_1.wav|anna|EN|one\nsliced_audio/a_2.wav|anna|EN|two\n"
    listing = {"clips": ["a_1.wav", "a_2.wav"]}
    path = _artifact(place, "asr_transcribe", "list", "transcripts/anna.list", content, dict(listing))
    place.pass_time(20)
    assert _edits(place) == {}
    place.queued.clear()
    return path


def test_a_hand_edited_list_becomes_edits_and_queues_processing(place: Place, listed: Path) -> None:
    place.pass_time(2 * QUIET_S)
    place.queued.clear()
    listed.write_text("sliced_audio/a_1.wav|anna|EN|one, corrected\n", encoding="utf-8")
    place.pass_time(20)
    assert _edits(place) == {"a_1.wav": ("one, corrected", "en", False), "a_2.wav": (None, None, True)}
    place.pass_time(2 * QUIET_S)
    assert place.queued == [place.character().id]
    # when the line comes back and the text is what was heard, then nothing is left of the edits
    listed.write_text("sliced_audio/a_1.wav|anna|EN|one\nsliced_audio/a_2.wav|anna|EN|two\n", encoding="utf-8")
    place.pass_time(20)
    assert _edits(place) == {}


def test_a_list_that_cannot_be_read_in_full_excludes_nothing(place: Place, listed: Path) -> None:
    listed.write_text("sliced_audio/a_1.wav|anna|EN|better\nsliced_audio/a_2.wav|an", encoding="utf-8")
    place.pass_time(20)
    assert _edits(place) == {"a_1.wav": ("better", "en", False)}
    assert str(listed) in place.inbox.describe()["unreadable_lists"]


def test_a_list_edited_while_a_job_runs_is_taken_when_it_has_ended(place: Place, listed: Path) -> None:
    number = place.character().id or 0
    place.write_rows(lambda session: queue.enqueue(session, number, JobKind.PROCESS) and None)
    listed.write_text("sliced_audio/a_1.wav|anna|EN|better\nsliced_audio/a_2.wav|anna|EN|two\n", encoding="utf-8")
    place.pass_time(20)
    assert _edits(place) == {}

    def end(session: Session) -> None:
        job = queue.active(session, number)
        assert job is not None
        queue.finish(session, job, queue.Verdict(queue.Status.CANCELLED))

    place.write_rows(end)
    place.pass_time(20)
    assert _edits(place) == {"a_1.wav": ("better", "en", False)}


def test_results_that_are_gone_from_the_disk_are_forgotten_and_touched_ones_stay(place: Place, listed: Path) -> None:
    clips = listed.parent / "clips"
    (clips / "a_1.wav.json").unlink()
    (clips / "a_2.wav.json").touch()
    place.pass_time(place.settings.inbox.reconcile_seconds + 1)
    with place.database.read() as session:
        items = {row.item for row in session.exec(select(Artifact)).all()}
    assert items == {"a_2.wav", "list"}
    assert len(place.events("artifacts.lost")) == 1


def test_processing_is_queued_when_the_folder_has_been_quiet(place: Place) -> None:
    place.wav("anna/a.wav", tone=1)
    place.settle()
    place.pass_time(QUIET_S / 2)
    place.wav("anna/b.wav", tone=2)
    place.settle()
    place.pass_time(QUIET_S / 2)
    assert place.queued == []
    place.pass_time(QUIET_S)
    assert place.queued == [place.character().id]


def test_a_restart_before_it_was_quiet_forgets_nothing(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()
    place.restart()
    place.pass_time(QUIET_S + 1)
    assert place.queued == [place.character().id]


def test_a_change_while_a_job_runs_is_queued_after_it(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()
    number = place.character().id or 0
    place.write_rows(lambda session: queue.enqueue(session, number, JobKind.PROCESS) and None)
    place.pass_time(2 * QUIET_S)
    assert place.queued == []

    def end(session: Session) -> None:
        job = queue.active(session, number)
        assert job is not None
        queue.finish(session, job, queue.Verdict(queue.Status.FAILED, "x", "x"))

    place.write_rows(end)
    place.pass_time(2 * QUIET_S)
    assert place.queued == [number]


def test_a_recording_uploaded_through_the_api_queues_nothing_after_a_restart(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()

    def as_upload(session: Session) -> None:
        for row in session.exec(select(AudioFile)).all():
            row.origin = Origin.API
            session.add(row)

    place.write_rows(as_upload)
    place.restart()
    place.pass_time(2 * QUIET_S)
    assert place.queued == []
