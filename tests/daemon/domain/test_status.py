"""What `sovits-daemon status` tells: what is to be redone, and what lies in the inbox and why it stays there."""

from __future__ import annotations

from daemon import status
from daemon.tables import ServiceState, now
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"


def shown(installation: Installation) -> list[str]:
    return status.as_text(status.gather(installation.world)).splitlines()


def remember_inbox(installation: Installation, **inbox: dict[str, str]) -> None:
    """Write down what a daemon's inbox described."""
    with installation.database.write() as session:
        session.merge(ServiceState(key="daemon", value={"inbox": inbox}, updated_at=now()))


def test_what_is_outdated_is_told_with_the_steps_to_be_redone(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav")
    installation.work(NAME, JobKind.PROCESS)
    assert not any("to be redone" in line for line in shown(installation))
    installation.record(NAME, "b.wav", b"other sound")
    assert any("audio" in line and "outdated" in line and "convert_audio 1" in line for line in shown(installation))


def test_each_file_that_stays_in_the_inbox_is_named_with_its_reason(installation: Installation) -> None:
    remember_inbox(
        installation,
        rejected={"小明/空.wav": "the file is empty (0 bytes); copy the recording again"},
        left_alone={"/inbox/a.wav": "lies beside the characters' folders"},
    )
    lines = shown(installation)
    assert "inbox: 1 rejected (in .rejected/)" in lines
    assert "  小明/空.wav: the file is empty (0 bytes); copy the recording again" in lines
    assert "  /inbox/a.wav: lies beside the characters' folders" in lines


def test_of_many_files_some_are_named_and_the_rest_is_counted(installation: Installation) -> None:
    remember_inbox(installation, rejected={f"小明/{number:03}.wav": "silent" for number in range(200)})
    lines = shown(installation)
    assert sum(line.endswith(": silent") for line in lines) == status.SHOWN
    assert f"  and {200 - status.SHOWN} more (--json names them)" in lines


def test_a_name_cannot_move_the_cursor_or_begin_a_line(installation: Installation) -> None:
    remember_inbox(installation, held={"小明/a\nb\x1b[2J\u202e.wav": "waits"})
    assert "  小明/a\\nb\\x1b[2J\\u202e.wav: waits" in shown(installation)
