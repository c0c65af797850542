"""Ranges: the parser against plain reasoning, and the answers of the responder."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from api.ranges import Span, UnsatisfiableRangeError, names_etag, parse_range
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"
CONTENT = bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 0)),
        ("bytes=0-", Span(0, 99)),
        ("bytes=90-", Span(90, 99)),
        ("bytes=-10", Span(90, 99)),
        ("bytes=-1000", Span(0, 99)),
        ("bytes=10-1000", Span(10, 99)),
        ("bytes= 5-6 ", Span(5, 6)),
        ("bytes=6-5", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "1" * 500 + "-", None),
    ],
)
def test_a_header_gives_the_range_or_the_whole_file(header: str | None, span: Span | None) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, size)


@given(st.integers(0, 60), st.none() | st.integers(0, 80), st.none() | st.integers(0, 80))
def test_the_bytes_of_a_range_are_those_that_python_slicing_gives(
    size: int, first: int | None, last: int | None
) -> None:
    content = bytes(range(size))
    if first is None and last is None:
        wanted = content
    elif first is None:
        assert last is not None
        wanted = content[max(0, size - last) :] if last else b""
    else:
        wanted = content[first : last + 1] if last is not None else content[first:]
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        span = parse_range(header, size)
    except UnsatisfiableRangeError:
        assert wanted == b""
        return
    if span is not None:
        assert content[span.start : span.end + 1] == wanted
        assert span.length == len(wanted) > 0


@given(st.text(max_size=40), st.integers(0, 100))
def test_any_header_is_answered(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert span is None or 0 <= span.start <= span.end < size


def test_entity_tags_are_compared_weakly() -> None:
    assert names_etag('W/"x", "y"', '"x"')
    assert names_etag("*", '"x"')
    assert not names_etag('"z"', '"x"')


@pytest.fixture
def filed(installation: Installation) -> Installation:
    """小明 with a model, an experiment file and a recording."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    (installation.layout.models(NAME) / "模型.pth").write_bytes(CONTENT)
    (installation.layout.experiment(NAME) / "2-name2text.txt").write_text("x")
    return installation


def test_parts_of_a_file_are_answered(client: TestClient, filed: Installation) -> None:
    url = f"characters/{NAME}/download/模型.pth"
    whole = client.get(url)
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["accept-ranges"] == "bytes"
    etag = whole.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f-]+"', etag)
    part = client.get(url, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(CONTENT)}"
    assert part.headers["content-length"] == "10"
    behind = client.get(url, headers={"range": "bytes=99999-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")
    same = client.get(url, headers={"range": "bytes=10-19", "if-range": etag})
    assert same.status_code == 206
    changed = client.get(url, headers={"range": "bytes=10-19", "if-range": '"other"'})
    assert (changed.status_code, changed.content) == (200, CONTENT)
    assert client.get(url, headers={"if-none-match": etag}).status_code == 304


def test_head_tells_the_size_and_sends_nothing(client: TestClient, filed: Installation) -> None:
    answer = client.head(f"characters/{NAME}/download/模型.pth")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


def test_an_empty_file_is_answered(client: TestClient, filed: Installation) -> None:
    (filed.layout.models(NAME) / "empty.txt").touch()
    answer = client.get(f"characters/{NAME}/download/empty.txt")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize(
    "name",
    [
        f"{NAME}-e1.ckpt",
        f"{NAME}_e1_s1.pth",
        "2-name2text.txt",
        f"{NAME}.list",
        "a.wav",
        "raw_audio/a.wav",
        f"experiments/{NAME}/2-name2text.txt",
    ],
)
def test_models_experiment_files_and_character_files_are_found(
    client: TestClient, filed: Installation, name: str
) -> None:
    assert client.get(f"characters/{NAME}/download/{name}").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["%2e%2e", "..%2f..%2f..%2fsovits.db", "%2e%2e/%2e%2e/%2e%2e/sovits.db", "%2fetc%2fpasswd", "a%00.wav",
     "models", ".scratch", "link.pth", "folder-link/hosts", "x" * 300, "%ff", "a//../../../sovits.db"],
)  # fmt: skip
def test_a_download_never_leaves_the_folder(client: TestClient, filed: Installation, name: str) -> None:
    (filed.layout.models(NAME) / "link.pth").symlink_to("/etc/passwd")
    (filed.layout.models(NAME) / "folder-link").symlink_to("/etc")
    answer = client.get(f"characters/{NAME}/download/{name}")
    assert answer.status_code in (400, 404, 405)
    assert set(answer.json()) == {"status_code", "detail"}


def test_a_pipe_is_not_waited_for(client: TestClient, filed: Installation) -> None:
    os.mkfifo(filed.layout.models(NAME) / "pipe.pth")
    assert client.get(f"characters/{NAME}/download/pipe.pth").status_code == 404
