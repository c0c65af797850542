"""Backups: consistent, checked, put back to the byte; nothing is overwritten and a crash in between is finished."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon import lock, migrate
from daemon.backup import reading, restoring, writing
from daemon.database import Database
from daemon.errors import ConflictError, NotFoundError, StorageError
from daemon.layout import Layout
from daemon.tables import Status
from pipeline.steps import JobKind
from tests.daemon.installation import Installation, opened

NAME = "小明_二"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A character with two recordings, processed and trained."""
    with opened(tmp_path / "here") as made:
        made.character(NAME)
        made.record(NAME, "a.wav", b"first")
        made.record(NAME, "名 字.wav", b"second")
        made.work(NAME, JobKind.PROCESS)
        made.work(NAME, JobKind.TRAIN)
        yield made


def _contents(layout: Layout) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(layout.work_dir).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in layout.characters.rglob("*")
        if path.is_file()
    }


def _elsewhere(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "elsewhere" / "work", tmp_path / "elsewhere" / "inbox")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_backup_put_back_elsewhere_has_the_same_bytes_times_and_states(
    installation: Installation, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"备份{suffix}"
    writing.write(installation.world, target, "1")
    layout = _elsewhere(tmp_path)
    restoring.restore(target, layout, replace=False)
    assert _contents(layout) == _contents(installation.layout)
    # every result is recognised on the other side, so nothing is made again
    settings = installation.world.settings.model_copy(
        update={
            "paths": installation.world.settings.paths.model_copy(
                update={"work_dir": layout.work_dir, "inbox_dir": layout.inbox_dir}
            )
        }
    )
    database = Database(layout.database)
    migrate.upgrade(database)
    moved = Installation(type(installation.world)(database, settings, layout))
    assert moved.state(NAME, JobKind.TRAIN).status is Status.COMPLETED
    database.close()


def test_a_work_directory_that_is_moved_works_where_it_is_now(installation: Installation, tmp_path: Path) -> None:
    installation.database.close()
    target = tmp_path / "moved"
    installation.layout.work_dir.rename(target)
    layout = Layout(target, installation.layout.inbox_dir)
    paths = installation.world.settings.paths.model_copy(update={"work_dir": target})
    settings = installation.world.settings.model_copy(update={"paths": paths})
    database = Database(layout.database)
    moved = Installation(type(installation.world)(database, settings, layout))
    assert moved.state(NAME).status is Status.COMPLETED
    assert moved.state(NAME, JobKind.TRAIN).status is Status.COMPLETED
    database.close()


def test_writers_meanwhile_neither_wait_long_nor_tear_the_backup(installation: Installation, tmp_path: Path) -> None:
    stop, made = threading.Event(), []

    def keep_adding() -> None:
        while not stop.is_set():
            number = len(made)
            installation.record(NAME, f"{number}.wav", f"bytes {number}".encode() * 1000)
            made.append(number)

    thread = threading.Thread(target=keep_adding)
    thread.start()
    try:
        for number in range(3):
            writing.write(installation.world, tmp_path / f"{number}.tar", "1")
    finally:
        stop.set()
        thread.join()
    assert made
    for number in range(3):
        folder = tmp_path / f"unpacked{number}"
        folder.mkdir()
        manifest = reading.unpack(tmp_path / f"{number}.tar", folder)
        with_rows = Database(folder / "sovits.db")
        with with_rows.engine.connect() as connection:
            names = connection.exec_driver_sql("SELECT filename FROM audiofile").scalars().all()
        with_rows.close()
        assert all(f"characters/{NAME}/raw_audio/{name}" in manifest.files for name in names)


def test_a_damaged_backup_is_refused_and_nothing_changes(installation: Installation, tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    writing.write(installation.world, whole, "1")
    content = whole.read_bytes()
    place = content.index(b"second")
    layout = _elsewhere(tmp_path)
    for number, bad in enumerate(
        (content[:place] + b"SECOND" + content[place + 6 :], content[: len(content) // 2], b"", b"no tar at all" * 100)
    ):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(bad)
        with pytest.raises(StorageError):
            restoring.restore(path, layout, replace=False)
        assert {each.name for each in layout.work_dir.iterdir()} <= {"daemon.lock"}
    with pytest.raises(NotFoundError):
        restoring.check(tmp_path / "nothing.tar", layout)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "characters/../../x", "config.yaml", "characters"])
def test_a_backup_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:
        facts = tarfile.TarInfo(name)
        facts.size = 4
        archive.addfile(facts, io.BytesIO(b"evil"))
    with pytest.raises(StorageError, match="no file of this service"):
        restoring.restore(path, _elsewhere(tmp_path), replace=False)
    assert not (tmp_path / "outside").exists()


def test_links_in_a_backup_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:
        facts = tarfile.TarInfo("characters/link")
        facts.type, facts.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(facts)
    with pytest.raises(StorageError):
        restoring.restore(path, _elsewhere(tmp_path), replace=False)


def test_a_present_state_is_only_replaced_when_asked_and_then_put_aside(
    installation: Installation, tmp_path: Path
) -> None:
    target = tmp_path / "b.tar"
    writing.write(installation.world, target, "1")
    before = _contents(installation.layout)
    installation.record(NAME, "later.wav", b"later")
    installation.database.close()
    with pytest.raises(ConflictError, match="--replace"):
        restoring.restore(target, installation.layout, replace=False)
    _, aside = restoring.restore(target, installation.layout, replace=True)
    assert _contents(installation.layout) == before
    assert aside is not None
    assert (aside / "characters" / NAME / "raw_audio" / "later.wav").read_bytes() == b"later"


def test_nothing_is_restored_while_the_service_runs(installation: Installation, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    writing.write(installation.world, target, "1")
    with lock.exclusive(installation.layout.lock), pytest.raises(ConflictError, match="already works"):
        restoring.restore(target, installation.layout, replace=True)


def test_a_restore_that_was_cut_off_anywhere_is_finished_at_the_next_start(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.tar"
    writing.write(installation.world, target, "1")
    expected = _contents(installation.layout)
    steps = 0
    real = Path.rename

    class CutOffError(BaseException):
        pass

    for allowed in range(12):
        layout = Layout(tmp_path / f"w{allowed}", tmp_path / "inbox")
        layout.create()
        layout.database.write_bytes(b"an older state")
        count = 0

        def rename(self: Path, to: Path, limit: int = allowed) -> Path:
            nonlocal count
            count += 1
            if count > limit + 1:  # the first writes the intent down
                raise CutOffError
            return real(self, to)

        monkeypatch.setattr(Path, "rename", rename)
        try:
            restoring.restore(target, layout, replace=True)
            cut_off = False
        except CutOffError:
            cut_off = True
        monkeypatch.setattr(Path, "rename", real)
        restoring.finish(layout)
        assert _contents(layout) == expected
        asides = [path for path in layout.work_dir.iterdir() if path.name.startswith("before-restore-")]
        assert [(path / "sovits.db").read_bytes() for path in asides] == [b"an older state"]
        assert not [path for path in layout.work_dir.iterdir() if path.name.startswith((".restore-", "restore.json"))]
        steps += cut_off
    assert steps >= 5


def test_an_existing_file_is_never_overwritten(installation: Installation, tmp_path: Path) -> None:
    target = tmp_path / "b.tar"
    target.write_bytes(b"something else")
    with pytest.raises(ConflictError):
        writing.write(installation.world, target, "1")
    assert target.read_bytes() == b"something else"


def test_the_commands_write_check_and_put_back(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from daemon.cli import main

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return int(ended.value.code or 0)

    monkeypatch.setenv("SOVITS_PATHS__WORK_DIR", str(installation.layout.work_dir))
    target = str(tmp_path / "b.tar")
    assert run("backup", target) == 0
    assert run("restore", "--check", target) == 0
    assert "is whole" in capsys.readouterr().out
    assert run("restore", target) == 1
    assert "--replace" in capsys.readouterr().err
    monkeypatch.setenv("SOVITS_PATHS__WORK_DIR", str(tmp_path / "new"))
    assert run("restore", target) == 0
    assert list((tmp_path / "new" / "characters" / NAME / "raw_audio").iterdir())
