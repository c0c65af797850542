"""Events only make it quicker; a dead watcher is noticed and replaced."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent

from daemon.inbox.watch import Watcher, _Handler, file_system_of
from daemon.settings import WatchMode
from tests.daemon.inbox.conftest import SETTLE_S, Place, wav_bytes
from tests.waiting import until


def test_a_real_event_makes_a_file_known_and_a_moved_in_folder_is_watched(
    make_place: Callable[..., Place], tmp_path: Path
) -> None:
    place = make_place(watch="native")
    assert place.inbox.describe()["watcher"] == "native"

    def known(name: str) -> Callable[[], bool]:
        def ticked() -> bool:
            place.inbox.tick()
            return any(path.endswith(name) for path in place.inbox.describe()["settling"])

        return ticked

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.wav").write_bytes(wav_bytes(1))
    (tmp_path / "folder").rename(place.layout.inbox("anna"))
    until(known("anna/a.wav"))
    place.wav("anna/b.wav", tone=2)
    until(known("anna/b.wav"))
    place.pass_time(SETTLE_S + 1)
    place.pass_time(SETTLE_S + 1)
    assert set(place.rows()) == {"a.wav", "b.wav"}


@pytest.mark.parametrize("mode", [WatchMode.NATIVE, WatchMode.POLLING])
def test_a_replaced_root_is_noticed_and_watched_anew(tmp_path: Path, mode: WatchMode) -> None:
    root = tmp_path / "inbox"
    root.mkdir()
    watcher = Watcher(root, mode)
    watcher.start()
    try:
        assert watcher.healthy
        root.rename(tmp_path / "old")
        root.mkdir()
        assert not watcher.healthy
        watcher.mend()
        assert watcher.healthy
    finally:
        watcher.stop()


def test_a_deleted_inbox_is_made_again_by_the_next_tick(make_place: Callable[..., Place]) -> None:
    place = make_place(watch="native")
    shutil.rmtree(place.layout.inbox_dir)
    assert not place.inbox.healthy
    place.inbox.tick()
    assert place.inbox.healthy
    place.wav("anna/a.wav")
    place.settle()
    assert set(place.rows()) == {"a.wav"}


def test_an_error_in_the_handler_does_not_end_the_events() -> None:
    handler = _Handler()
    event = FileCreatedEvent("x")
    event.src_path = 7  # type: ignore[assignment] - what no file system sends
    handler.on_any_event(event)
    assert handler.folders_changed
    handler.on_any_event(FileCreatedEvent("/inbox/anna/a.wav"))
    assert list(handler.files) == ["/inbox/anna/a.wav"]


def test_the_type_of_a_file_system_is_known(tmp_path: Path) -> None:
    assert file_system_of(tmp_path)
    assert file_system_of(Path("/proc/self")) == "proc"
