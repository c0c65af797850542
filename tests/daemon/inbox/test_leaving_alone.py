"""What cannot be taken gets its reason or is left alone; the rest goes on, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.inbox import scan
from daemon.inbox.filters import is_litter
from tests.daemon.inbox.conftest import SETTLE_S, Place, wav_bytes

PATIENCE_S = 10 * SETTLE_S


def _give_up(place: Place) -> None:
    place.inbox.reconcile()
    for _ in range(4):
        place.pass_time(PATIENCE_S / 2)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("empty.wav", b"", "empty"),
        ("silent.wav", wav_bytes(0, 1, silent=True), "silent"),
        ("truncated.wav", wav_bytes(1, 3)[:20_000], "truncated"),
        ("notes.pdf", b"%PDF-1.4", "audio"),
        ("short.wav", wav_bytes(1, 0.1), "short"),
        ("long.wav", wav_bytes(1, 11), "long"),
        ("empty.txt", b" \n", "empty"),
        ("character.yaml", b"colour: blue\n", "unknown field"),
        ("no.list", b"only|three|fields\n", "fields"),
    ],
)
def test_a_bad_file_is_put_aside_with_its_reason(
    make_place: Callable[..., Place], name: str, content: bytes, word: str
) -> None:
    place = make_place(max_duration_s=10)
    place.wav("anna/good.wav", tone=7)
    place.write(f"anna/{name}", content)
    _give_up(place)
    assert word in place.reason(f"anna/{name}")
    assert len(place.reason(f"anna/{name}").splitlines()) == 1
    assert (place.layout.inbox("anna") / ".rejected" / name).read_bytes() == content
    assert set(place.rows()) == {"good.wav"}
    assert f"anna/{name}" in place.inbox.describe()["rejected"]


def test_random_bytes_named_like_audio_are_rejected_by_the_decoder(place: Place) -> None:
    place.write("anna/random.wav", os.urandom(20_000))
    place.write("anna/text.mp3", "this is a letter")
    _give_up(place)
    assert "audio" in place.reason("anna/random.wav")
    assert "audio" in place.reason("anna/text.mp3")


def test_a_rejected_file_that_was_repaired_and_moved_back_is_taken_and_its_reason_goes(place: Place) -> None:
    place.write("anna/a.wav", b"")
    _give_up(place)
    rejected = place.layout.inbox("anna") / ".rejected"
    (rejected / "a.wav").unlink()
    place.wav("anna/a.wav")
    place.settle()
    assert set(place.rows()) == {"a.wav"}
    assert list(rejected.iterdir()) == []


def test_an_earlier_rejected_file_of_the_same_name_is_kept(place: Place) -> None:
    for content in ("one", "two"):
        place.write("anna/a.pdf", content)
        place.settle()
    rejected = place.layout.inbox("anna") / ".rejected"
    assert {path.read_text() for path in rejected.glob("*.pdf")} == {"one", "two"}


def test_a_name_of_255_bytes_can_be_rejected(place: Place) -> None:
    name = "长" * 83 + "ab.pdf"
    assert len(name.encode()) == 255
    place.write(f"anna/{name}", "x")
    place.settle()
    assert (place.layout.inbox("anna") / ".rejected" / name).exists()
    assert len(list((place.layout.inbox("anna") / ".rejected").glob("*.reason.txt"))) == 1


LITTER = [".hidden.wav", "a.wav.part", "b.crdownload", "c.tmp", "d.wav~", "~$e.wav", "Thumbs.db", "desktop.ini"]


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_known_by_its_name(name: str) -> None:
    assert is_litter(name)


def test_litter_links_and_special_files_are_left_alone(place: Place, tmp_path: Path) -> None:
    for name in (*LITTER, "__MACOSX/a.wav", "@eaDir/a.wav"):
        place.wav(f"anna/{name}")
    (tmp_path / "secret.wav").write_bytes(wav_bytes(5))
    folder = place.layout.inbox("anna")
    (folder / "out.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "outside").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe.wav")
    before = sorted(folder.rglob("*"))
    _give_up(place)
    assert sorted(folder.rglob("*")) == before
    assert place.rows() == {}
    assert len(place.inbox.describe()["left_alone"]) == 3


def test_a_folder_with_an_illegal_name_is_reported_and_left_alone(place: Place) -> None:
    path = place.wav("not a name!/a.wav")
    place.wav("anna/a.wav")
    _give_up(place)
    assert path.exists()
    assert "not a name!" in place.inbox.describe()["illegal_folders"]
    assert set(place.rows()) == {"a.wav"}


def test_an_unreadable_folder_is_reported_and_the_rest_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.wav("anna/closed/a.wav")
    place.wav("anna/open/b.wav", tone=2)
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(scan.os, "scandir", scandir)
        place.settle()
        assert "Permission denied" in place.inbox.describe()["unreadable"][str(place.layout.inbox("anna") / "closed")]
    assert set(place.rows()) == {"open__b.wav"}
    place.settle()
    assert len(place.rows()) == 2


def test_a_recording_directly_in_the_inbox_is_left_alone_and_told_of(place: Place) -> None:
    note = place.write("README.md", "put folders here")
    recording = place.wav("a.wav")
    place.settle()
    assert note.exists()
    assert recording.exists()
    left_alone = place.inbox.describe()["left_alone"]
    assert set(left_alone) == {str(recording)}
    assert "move it into a folder" in left_alone[str(recording)]
    # and once it lies in a folder it is a recording
    (place.layout.inbox_dir / "anna").mkdir()
    recording.rename(place.layout.inbox_dir / "anna" / "a.wav")
    place.settle()
    assert set(place.rows()) == {"a.wav"}
    assert place.inbox.describe()["left_alone"] == {}
