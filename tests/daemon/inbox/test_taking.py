"""Files that are dropped become recordings: once, whole, and under a safe name."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.inbox import store
from tests.daemon.inbox.conftest import SETTLE_S, Place, wav_bytes


def test_a_dropped_recording_makes_the_character_and_lies_in_raw_audio(place: Place) -> None:
    path = place.wav("艾莉森 1".replace(" ", "_") + "/第一 😀.wav")
    place.settle()
    row = place.rows("艾莉森_1")["第一 😀.wav"]
    assert not path.exists()
    assert place.raw("第一 😀.wav", "艾莉森_1").read_bytes() == wav_bytes(1)
    assert (row.duration_s, row.sample_rate_hz, row.origin) == (1.0, 8000, "inbox")
    assert row.mtime_ns == place.raw(row.filename, "艾莉森_1").stat().st_mtime_ns


def test_a_real_flac_recording_is_taken_with_its_length(place: Place) -> None:
    place.clip("vm-newuser.flac", "anna/vm-newuser.flac")
    place.settle()
    assert (place.rows()["vm-newuser.flac"].duration_s or 0) > 1


def test_a_slow_writer_is_waited_for(place: Place) -> None:
    # given a file that grows a little before every look
    content = wav_bytes(1, 5)
    path = place.write("anna/slow.wav", content[:100])
    place.inbox.reconcile()
    for end in range(10_000, len(content), 10_000):
        path.write_bytes(content[:end])
        place.inbox.reconcile()
        place.pass_time(SETTLE_S * 2)
        assert place.rows() == {}, "its header promises more"
    # when it is whole
    path.write_bytes(content)
    place.settle()
    # then it is taken whole
    assert place.raw("slow.wav").read_bytes() == content


def test_nothing_is_taken_before_it_has_settled(place: Place) -> None:
    path = place.wav("anna/a.wav")
    place.inbox.reconcile()
    place.pass_time(SETTLE_S - 0.5)
    assert path.exists()
    assert "anna/a.wav" in next(iter(place.inbox.describe()["settling"]))
    place.pass_time(1)
    assert set(place.rows()) == {"a.wav"}
    assert place.inbox.describe()["settling"] == {}


def test_sub_folders_become_part_of_the_name(place: Place) -> None:
    place.wav("anna/day one/morning/a.wav")
    place.settle()
    assert set(place.rows()) == {"day one__morning__a.wav"}


def test_the_same_name_with_new_bytes_replaces_the_recording(place: Place) -> None:
    place.wav("anna/a.wav", tone=1)
    place.settle()
    before = place.rows()["a.wav"]
    place.wav("anna/a.wav", tone=2)
    place.settle()
    after = place.rows()["a.wav"]
    assert (after.id, after.sha256 != before.sha256) == (before.id, True)
    assert place.raw("a.wav").read_bytes() == wav_bytes(2)
    assert len(place.events("audio.replaced")) == 1


@pytest.mark.parametrize("again", ["a.wav", "other.wav"])
def test_the_same_bytes_are_stored_once_and_said_so(place: Place, again: str) -> None:
    place.wav("anna/a.wav")
    place.settle()
    path = place.wav(f"anna/{again}")
    place.settle()
    assert set(place.rows()) == {"a.wav"}
    assert not path.exists()
    assert [event.data["same_as"] for event in place.events("audio.duplicate")] == ["a.wav"]
    assert not place.events("audio.replaced")


def test_two_equal_files_dropped_together_are_stored_once(place: Place) -> None:
    place.wav("anna/a.wav")
    place.wav("anna/b.wav")
    place.settle()
    assert len(place.rows()) == 1
    assert len(list(place.layout.raw_audio("anna").iterdir())) == 1


def test_a_duplicate_repairs_a_stored_file_that_was_damaged(place: Place) -> None:
    place.wav("anna/a.wav")
    place.settle()
    place.raw("a.wav").write_bytes(b"damaged")
    place.wav("anna/b.wav")
    place.settle()
    assert wav_bytes(1) in [path.read_bytes() for path in place.layout.raw_audio("anna").iterdir()]


def test_recordings_that_change_places_in_one_batch_lose_nothing(place: Place) -> None:
    for name, tone in (("a", 1), ("b", 2), ("c", 3)):
        place.wav(f"anna/{name}.wav", tone=tone)
    place.settle()
    for name, tone in (("a", 2), ("b", 3), ("c", 4), ("d", 1)):
        place.wav(f"anna/{name}.wav", tone=tone)
    place.settle()
    for name, tone in (("a", 2), ("b", 3), ("c", 4), ("d", 1)):
        assert place.raw(f"{name}.wav").read_bytes() == wav_bytes(tone)


def test_the_same_bytes_for_two_characters_are_two_recordings(place: Place) -> None:
    place.wav("anna/a.wav")
    place.wav("bob/a.wav")
    place.settle()
    assert set(place.rows("anna")) == set(place.rows("bob")) == {"a.wav"}


ODD = ["with space.wav", "emoji 😀.wav", "quote'\".wav", "a|b.wav", "line\nbreak.wav", "长" * 83 + ".wav", "-x.wav"]


def test_odd_names_are_stored_under_safe_names(place: Place) -> None:
    for number, name in enumerate(ODD):
        place.wav(f"anna/{name}", tone=number + 1)
    bad = os.fsencode(place.layout.inbox("anna")) + b"/bad\xff.wav"
    Path(os.fsdecode(bad)).write_bytes(wav_bytes(99))
    place.settle()
    assert len(place.rows()) == len(ODD) + 1
    for name in place.rows():
        assert len(name.encode()) <= 200
        assert not set(name) & set("|/\n")
    assert os.listdir(place.layout.inbox("anna")) == []  # noqa: PTH208


def test_two_files_with_one_safe_name_are_both_kept_and_replaced_each_by_its_own(place: Place) -> None:
    place.wav("anna/a_b.wav", tone=1)
    place.wav("anna/a|b.wav", tone=2)
    place.settle()
    assert len(place.rows()) == 2
    place.restart()
    place.wav("anna/a|b.wav", tone=3)
    place.settle()
    contents = {path.read_bytes() for path in place.layout.raw_audio("anna").glob("*.wav")}
    assert contents == {wav_bytes(1), wav_bytes(3)}


def test_a_file_that_vanishes_while_it_settles_is_forgotten(place: Place) -> None:
    path = place.wav("anna/a.wav")
    place.inbox.reconcile()
    path.unlink()
    place.settle()
    assert place.rows() == {}
    assert place.inbox.describe()["settling"] == {}


def test_a_folder_moved_in_is_found(place: Place, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.wav").write_bytes(wav_bytes(1))
    (tmp_path / "outside").rename(place.layout.inbox("anna"))
    place.settle()
    assert set(place.rows()) == {"a.wav"}


def test_with_the_watcher_off_the_periodic_reconcile_finds_everything(place: Place) -> None:
    place.wav("anna/a.wav")
    place.pass_time(place.settings.inbox.reconcile_seconds + 1)
    place.pass_time(SETTLE_S + 1)
    assert set(place.rows()) == {"a.wav"}


def test_a_crash_between_move_and_record_loses_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a crash when the file is in place and the row is not committed
    place.wav("anna/a.wav")
    place.inbox.reconcile()

    def power_cut(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "fsync_folder", power_cut)
        with pytest.raises(KeyboardInterrupt):
            place.pass_time(SETTLE_S + 1)
    assert place.rows() == {}
    assert place.layout.raw_audio("anna").joinpath("a.wav").exists()
    # when the service starts again
    place.restart()
    place.settle()
    # then the recording is there once
    assert set(place.rows()) == {"a.wav"}


def test_a_full_disk_is_waited_out(make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch) -> None:
    place = make_place(mode="keep")
    path = place.wav("anna/a.wav")

    def full(*_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "copy_verified", full)
        place.settle()
    assert path.exists()
    assert place.rows() == {}
    assert "No space left" in next(iter(place.inbox.describe()["held"].values()))
    place.settle()
    assert set(place.rows()) == {"a.wav"}


def test_too_little_free_space_keeps_everything_in_the_inbox(make_place: Callable[..., Place]) -> None:
    place = make_place(free_bytes_reserve=1 << 60)
    path = place.wav("anna/a.wav")
    place.settle()
    assert path.exists()
    assert "room" in next(iter(place.inbox.describe()["held"].values()))
    assert not (place.layout.inbox("anna") / ".rejected").exists()


def test_mode_keep_leaves_the_originals_and_a_restart_reads_nothing_again(make_place: Callable[..., Place]) -> None:
    place = make_place(mode="keep")
    originals = [place.wav("anna/a.wav", tone=1), place.wav("anna/b.wav", tone=1), place.wav("anna/c.wav", tone=2)]
    bad = place.write("anna/notes.pdf", "not audio")
    place.settle()
    assert all(path.exists() for path in [*originals, bad])
    assert len(place.rows()) == 2
    seen = len(place.events("audio.duplicate")), len(place.events("audio.rejected"))
    assert seen == (1, 1)
    place.restart()
    assert place.inbox.describe()["settling"] == {}
    place.settle()
    assert (len(place.events("audio.duplicate")), len(place.events("audio.rejected"))) == seen
    # and a changed original replaces the recording
    place.wav("anna/c.wav", tone=3)
    place.settle()
    assert place.raw("c.wav").read_bytes() == wav_bytes(3)


def test_a_hard_linked_file_is_copied_so_that_the_other_link_cannot_change_it(place: Place, tmp_path: Path) -> None:
    path = place.wav("anna/a.wav")
    os.link(path, tmp_path / "link.wav")
    place.settle()
    assert not path.exists()
    assert place.raw("a.wav").stat().st_nlink == 1
    assert list(place.layout.scratch.iterdir()) == []
