"""Logs: one event a line, for machines as JSON, with what the line is about."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon import logs
from daemon.api_server import without_traceback
from daemon.errors import BusyError
from daemon.logs import JsonFormatter
from daemon.settings import LogSettings
from daemon.worker_process import BoundedLog

logger = logging.getLogger("tests.daemon.logs")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_away_from_a_terminal_a_line_is_json_with_its_context() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(), stream=stream)
    with logs.context(character="艾莉森"), logs.context(job=7):
        logger.info("begins %s", "now")
    logger.warning("outside")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["character"], first["job"], first["level"]) == ("begins now", "艾莉森", 7, "info")
    assert "character" not in second


def test_on_a_terminal_a_line_is_for_people_and_a_newline_in_a_name_does_not_break_it() -> None:
    stream = Terminal()
    logs.configure(LogSettings(), stream=stream)
    with logs.context(character="a\nb"):
        logger.info("took %s", "x\r\ny.wav")
    assert stream.getvalue().splitlines()[0].endswith("INFO    took x\\r\\ny.wav  [character=a\\nb]")


@given(st.text(), st.dictionaries(st.text(min_size=1).filter(lambda name: name not in ("self",)), st.text()))
def test_whatever_is_logged_is_one_line_of_json(message: str, fields: dict[str, str]) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, message, (), None)
    record.context = fields
    line = logs.JsonFormatter().format(record)
    assert len(line.split("\n")) == 1
    assert json.loads(line).items() >= fields.items()


def test_an_error_carries_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(), stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("it failed")
    assert "ValueError: broken" in json.loads(stream.getvalue())["traceback"]


def test_the_file_is_rotated_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "service.log"
    logs.configure(LogSettings(file=path, max_bytes=10_000, backups=2), stream=io.StringIO())
    for number in range(500):
        logger.info("line %d", number)
    assert sorted(each.name for each in path.parent.iterdir()) == ["service.log", "service.log.1", "service.log.2"]
    assert "line 499" in path.read_text()


def test_the_level_is_obeyed_and_set_up_again_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(LogSettings(), stream=first)
    logs.configure(LogSettings(level="ERROR"), stream=second)
    logger.warning("quiet")
    logger.error("loud")
    assert first.getvalue() == "" and len(second.getvalue().splitlines()) == 1


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_a_workers_log_is_bounded_whatever_it_writes(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log = BoundedLog(folder / "job.log", 1000)
    for piece in pieces:
        log.write(piece)
    log.close()
    assert all(path.stat().st_size <= 1000 for path in folder.iterdir())
    assert len(list(folder.iterdir())) <= 2
    assert all("\n" not in line and line.strip() for line in log.last_lines)


def _failed(error: BaseException) -> logging.LogRecord:
    """What the server logs when an answer that has begun ends with an error."""
    try:
        try:
            raise ExceptionGroup("unhandled errors in a TaskGroup", [error])
        except ExceptionGroup as group:
            raise RuntimeError("the response had started") from group
    except RuntimeError as wrapped:
        info = (RuntimeError, wrapped, wrapped.__traceback__)
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", None, info)


def test_a_stream_that_the_stop_breaks_off_is_one_warning_without_a_traceback() -> None:
    record = _failed(BusyError("the service stops; ask for the sentence again"))
    assert without_traceback(record)
    line = json.loads(JsonFormatter().format(record))
    assert line["level"] == "warning"
    assert line["message"] == "an answer was broken off: the service stops; ask for the sentence again"
    assert "traceback" not in line


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    record = _failed(KeyError("a bug"))
    assert without_traceback(record)
    line = json.loads(JsonFormatter().format(record))
    assert line["level"] == "error"
    assert "KeyError" in line["traceback"]
