"""The command line: exit codes, one clear sentence instead of tracebacks, and where settings come from."""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from daemon import characters, migrate, queue
from daemon.character_config import CharacterConfig
from daemon.cli import main
from daemon.database import Database
from daemon.layout import Layout
from pipeline.steps import JobKind
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    code: int
    output: str
    errors: str


class Installation:
    """A state directory that commands run on."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder / "work dir", folder / "inbox")
        self.variables: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOVITS_")},
            "SOVITS_PATHS__WORK_DIR": str(self.layout.work_dir),
            "SOVITS_PATHS__INBOX_DIR": str(self.layout.inbox_dir),
            **self.variables,
        }

    def run(self, *arguments: str) -> Answer:
        """Run a command in this process, which saves the time in which a new one loads its libraries."""
        output, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            redirect_stdout(output),
            redirect_stderr(errors),
            pytest.raises(SystemExit) as left,
        ):
            main(list(arguments))
        assert isinstance(left.value.code, int)
        return Answer(left.value.code, output.getvalue(), errors.getvalue())

    def run_apart(self, *arguments: str) -> Answer:
        """Run a command in a process of its own, as people do."""
        command = [sys.executable, "-m", "daemon.cli", *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert "Traceback" not in done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    def populate(self, *names: str) -> None:
        self.layout.create()
        database = Database(self.layout.database)
        migrate.upgrade(database)
        for name in names:
            made = characters.create(database, self.layout, name, CharacterConfig())
            with database.write() as session:
                assert made.id is not None
                queue.enqueue(session, made.id, JobKind.PROCESS)
        database.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As if a service were running."""
        with self.layout.lock.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("jobs",),
        ("verify",),
        ("cancel", "1"),
        ("retry", "alice"),
        ("say", "alice", "hello"),
        ("export", "alice"),
    ],
)
def test_on_a_directory_that_never_saw_a_service_a_command_says_so_with_code_4(
    installation: Installation, command: tuple[str, ...]
) -> None:
    answer = installation.run(*command)
    assert answer.code == 4 and answer.output == ""
    assert "the service has never run on" in answer.errors and "sovits-daemon run" in answer.errors
    assert not installation.layout.work_dir.exists()


def test_help_lists_every_command_and_every_command_has_help(installation: Installation) -> None:
    from daemon.cli import COMMANDS

    answer = installation.run_apart("--help")
    assert answer.code == 0 and all(f"\n  {name} " in answer.output for name in COMMANDS)
    for name in ("say", "doctor", "demo"):
        answer = installation.run(name, "--help")
        assert answer.code == 0 and "Example:" in answer.output


def test_config_shows_each_value_with_its_origin(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs_s1: 3}\n")
    installation.variables["SOVITS_SERVER__PORT"] = "9000"
    lines = installation.run("--config", str(path), "config").output.splitlines()
    assert f"epochs_s1: 3 # {path}" in [" ".join(line.split()) for line in lines]
    found = json.loads(installation.run("--config", str(path), "config", "--json").output)
    assert found["server"]["port"] == {"value": 9000, "origin": "SOVITS_SERVER__PORT"}
    assert found["server"]["workers"] == {"value": 1, "origin": "default"}


def test_wrong_settings_end_every_command_with_code_2_and_a_sentence(installation: Installation) -> None:
    installation.variables["SOVITS_SERVER__PROT"] = "9000"
    for command in ("status", "run", "config"):
        answer = installation.run(command)
        assert answer.code == 2
        assert "unknown key server.prot (from SOVITS_SERVER__PROT), did you mean port?" in answer.errors


@pytest.mark.parametrize(
    "command",
    [("dance",), ("run", "--port", "many"), ("cancel",), ("say", "alice"), ("import-voice", "--character", "a")],
)
def test_wrong_usage_ends_with_code_2(installation: Installation, command: tuple[str, ...]) -> None:
    assert installation.run(*command).code == 2


def test_status_of_a_stopped_service_tells_what_is_there_with_code_4(installation: Installation) -> None:
    installation.populate("艾莉森_1")
    answer = installation.run("status")
    assert answer.code == 4 and "not running" in answer.output and "艾莉森_1" in answer.output
    with installation.locked():
        answer = installation.run("status", "--json")
    assert answer.code == 0 and json.loads(answer.output)["characters"][0]["name"] == "艾莉森_1"


def test_a_job_is_listed_cancelled_and_retried_by_its_characters_name(installation: Installation) -> None:
    installation.populate("bob")
    assert "bob  process pending" in installation.run("jobs").output
    assert installation.run("cancel", "bob").output == "job 1 is cancelled\n"
    assert installation.run("cancel", "bob").code == 3
    assert installation.run("retry", "1").output == "queued as job 2\n"
    assert installation.run("retry", "bob").code == 3
    found = json.loads(installation.run("jobs", "--json").output)
    assert [(row["id"], row["status"]) for row in found] == [(2, "pending"), (1, "cancelled")]
    answer = installation.run("cancel", "nobody")
    assert answer.code == 1 and "there is no job or character 'nobody'" in answer.errors


def test_verify_compares_all_characters_or_one(installation: Installation) -> None:
    installation.populate()
    assert installation.run("verify").code == 3
    installation.populate("bob")
    assert installation.run("verify").output == "bob: everything is as recorded\n"
    assert installation.run("verify", "nobody").code == 1


def test_the_report_tells_what_would_help(installation: Installation) -> None:
    installation.populate("bob")
    answer = installation.run("report", "bob")
    assert answer.code == 0
    assert answer.output.startswith("bob: 0 recordings")
    assert "* there are no recordings yet" in answer.output
    found = json.loads(installation.run("report", "bob", "--json").output)
    assert (found["character"], found["kept_clips"], len(found["advice"])) == ("bob", 0, 1)
    assert installation.run("report", "nobody").code == 1


def test_saying_needs_a_running_service_and_a_voice(installation: Installation) -> None:
    installation.populate("bob")
    assert installation.run("say", "bob", "hello").code == 4
    with installation.locked():
        answer = installation.run("say", "bob", "hello")
    assert answer.code == 1 and "no trained voice yet" in answer.errors


def test_a_second_service_on_the_same_directory_is_refused(installation: Installation) -> None:
    installation.populate()
    with installation.locked():
        answer = installation.run_apart("run", "--port", "0")
    assert answer.code == 1 and "another sovits-daemon" in answer.errors


def test_a_taken_port_is_told(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = installation.run_apart("run", "--host", "127.0.0.1", "--port", port)
    assert answer.code == 1 and f"127.0.0.1:{port}" in answer.errors and "choose another --port" in answer.errors


def test_a_damaged_database_is_one_sentence(installation: Installation) -> None:
    installation.layout.create()
    installation.layout.database.write_bytes(b"this is no database" * 100)
    answer = installation.run_apart("status")
    assert answer.code == 1 and len(answer.errors.splitlines()) == 1


def test_the_doctor_finds_the_fault_and_names_the_remedy(installation: Installation) -> None:
    installation.variables |= {"SOVITS_ASR__MODEL": "no-such-model", "SOVITS_GPU__DEVICE": "cpu"}
    installation.layout.create()
    installation.layout.database.write_bytes(b"this is no database" * 100)
    installation.layout.dictionaries()[0].write_text("重庆\tzh\tchong2\n", encoding="utf-8")
    answer = installation.run("doctor", "--json")
    found = {each["name"]: each for each in json.loads(answer.output)}
    assert answer.code == 1
    assert found["python"]["level"] == found["work_dir"]["level"] == found["torch"]["level"] == "ok"
    assert found["database"]["level"] == "fail" and "damaged" in found["database"]["said"]
    assert found["dictionary"]["level"] == "warn" and "dictionary.tsv line 1" in found["dictionary"]["said"]
    assert found["text data"]["level"] == "ok"
    assert found["speech recognition"]["level"] == "fail" and found["speech recognition"]["remedy"]


def test_phones_shows_how_a_text_is_read_with_the_users_dictionary(installation: Installation) -> None:
    installation.populate("爱丽丝")
    own = installation.layout.dictionaries("爱丽丝")[1]
    own.write_text("重庆\tzh\tchong2 qing4\nno tab\n", encoding="utf-8")
    answer = installation.run("phones", "重庆hello", "--character", "爱丽丝", "--json")
    assert answer.code == 0
    assert "characters/爱丽丝/dictionary.tsv line 2" in answer.errors
    shown = json.loads(answer.output)
    assert [segment["language"] for segment in shown] == ["zh", "en"]
    assert shown[0]["phones"] == ["ch", "ong2", "q", "ing4"]


def test_phones_shows_what_the_public_program_would_read(installation: Installation) -> None:
    own = installation.layout.dictionaries()[0]
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("怎麼\tzh\tzen3 me5\n", encoding="utf-8")
    right = json.loads(installation.run("phones", "这怎麼走", "--json").output)
    public = json.loads(installation.run("phones", "这怎麼走", "--as-public", "--json").output)
    assert right[0]["phones"][4:6] == ["m", "e5"]
    assert public[0]["phones"][4:6] == ["m", "o2"]


def test_phones_as_the_public_program_takes_no_dictionary_of_a_character(installation: Installation) -> None:
    answer = installation.run("phones", "你好", "--as-public", "--character", "爱丽丝")
    assert answer.code == 2
    assert "leave out --character" in answer.errors


def test_phones_says_what_it_cannot_read(installation: Installation) -> None:
    silent = installation.run("phones", "...")
    assert silent.code == 1
    assert "nothing that can be spoken" in silent.errors
    assert "Klingon" in installation.run("phones", "hello", "--language", "Klingon").errors
    assert "'nobody' does not exist" in installation.run("phones", "hello", "--character", "nobody").errors
