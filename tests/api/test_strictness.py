"""What nobody should send to the newer routes: each is one clear sentence, none a failure."""

from __future__ import annotations

import json
import random
import socket
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from pipeline.steps import JobKind
from tests.api.conftest import Server
from tests.daemon.installation import Installation, opened
from tests.waiting import PATIENCE_S

NAME = "小明"
CLIP = "a.wav_0000000000_0000160000.wav"
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers() | st.text(max_size=20)
GETS = (
    "jobs/{n}", "jobs/{n}/log", "jobs/{n}/metrics", "characters/{t}/clips", "characters/小明/clips/{t}",
    "characters/小明/clips/{t}/audio", "characters/{t}/voices", "characters/小明/voices/{n}", "characters/{t}/report",
    "characters/{t}/transcripts",
)  # fmt: skip
QUERIES = (
    "jobs?{k}={t}", "events?{k}={t}", "characters/小明/clips?{k}={t}", "jobs/1/metrics?{k}={t}", "jobs/1/log?tail={t}",
    "events?after={t}", "jobs?limit={t}", "characters/小明/clips?sort={t}",
    f"characters/小明/clips/{CLIP}/audio?variant={{t}}",
)  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """小明, processed and trained."""
    with opened(tmp_path_factory.mktemp("strict")) as installation:
        installation.character(NAME)
        installation.record(NAME, "a.wav", b"a")
        installation.work(NAME, JobKind.PROCESS)
        installation.work(NAME, JobKind.TRAIN)
        yield installation


@pytest.fixture(scope="module")
def api(filled: Installation) -> Iterator[TestClient[Litestar]]:
    """A client of it."""
    application = create_app(filled.world.settings)
    base_url = "http://testserver.local/api/v1/"
    with TestClient(application, base_url=base_url, raise_server_exceptions=False) as made:
        yield made


def is_answer_or_refusal(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        body = answer.json()
        assert set(body) == {"status_code", "detail"}
        assert body["status_code"] == answer.status_code
        assert body["detail"]
        assert "\n" not in body["detail"]
        assert "Traceback" not in body["detail"]


def encoded(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


@MANY
@given(st.sampled_from(GETS), NUMBERS, st.text(max_size=60))
def test_any_address_of_the_newer_routes_is_answered(
    api: TestClient[Litestar], route: str, number: int | str, text: str
) -> None:
    is_answer_or_refusal(api.get(route.format(n=encoded(str(number)), t=encoded(text))))


@MANY
@given(st.sampled_from(QUERIES), st.text(max_size=20), st.text(max_size=40) | st.integers().map(str))
def test_any_query_is_answered(api: TestClient[Litestar], route: str, key: str, value: str) -> None:
    is_answer_or_refusal(api.get(route.format(k=encoded(key), t=encoded(value))))


@MANY
@given(st.dictionaries(st.sampled_from(["text", "language", "excluded", "note", "more"]), JSON, max_size=4))
def test_any_body_is_answered(api: TestClient[Litestar], body: dict[str, Any]) -> None:
    try:
        content = json.dumps(body).encode()
    except UnicodeEncodeError:
        return
    headers = {"content-type": "application/json"}
    for path in (f"characters/小明/clips/{CLIP}", "characters/小明/voices/1"):
        is_answer_or_refusal(api.put(path, content=content, headers=headers))


@MANY
@given(st.binary(max_size=300) | st.text(alphabet="ab|\n\r 中ZHzh.wav_0", max_size=200).map(str.encode))
def test_any_list_file_is_answered(api: TestClient[Litestar], content: bytes) -> None:
    is_answer_or_refusal(api.post("characters/小明/transcripts", content=content))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"character_name": "x", "config": {"enable_denoise": 0}}, "config.enable_denoise"),
        ({"character_name": "x", "config": {"enable_denoise": "true"}}, "config.enable_denoise"),
        ({"character_name": "x", "config": {"batch_size": "16"}}, "config.batch_size"),
    ],
)
def test_a_value_of_another_type_is_not_bent_into_shape(
    api: TestClient[Litestar], body: dict[str, Any], field: str
) -> None:
    answer = api.post("characters", json=body)
    assert (answer.status_code, answer.json()["detail"].split(":")[0]) == (400, field)


@pytest.mark.parametrize(
    "address",
    [
        "jobs?limti=5",
        "events?job=1&form=x",
        "characters/小明/clips?x=1",
        "batches?limti=5",
        "inference/1/stream?fromat=mp3",
    ],
)
def test_a_misspelt_parameter_is_named(api: TestClient[Litestar], address: str) -> None:
    answer = api.get(address)
    assert answer.status_code == 400
    assert "known are" in answer.json()["detail"]


def test_a_character_called_null_is_found_by_its_name(api: TestClient[Litestar]) -> None:
    assert api.get("jobs?character=null").status_code == 404
    assert api.get("events?job=null").status_code == 400


@pytest.mark.parametrize("many", [pytest.param(10_000, marks=pytest.mark.slow), 500])
def test_random_addresses_are_404_or_another_clear_refusal(api: TestClient[Litestar], many: int) -> None:
    chance = random.Random(1)
    letters = string.ascii_letters + string.digits + "/-_.%~:@!$&'()*+,;=小\\"
    for _ in range(many):
        path = "".join(chance.choice(letters) for _ in range(chance.randint(1, 60)))
        prefix = chance.choice(["", "/api/v1/", "/api/v1/characters/", "/api/v1/jobs/", "/api/v1/events/", "/static/"])
        written = encoded(path) if chance.random() < 0.5 else quote(path)
        method = chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH"])
        answer = api.request(method, f"http://testserver.local{prefix or '/'}{written}")
        is_answer_or_refusal(answer)
        assert answer.status_code >= 400 or path.strip("/.") == ""


@pytest.mark.parametrize(
    "headers",
    [
        "Last-Event-ID: 1\r\nLast-Event-ID: 2",
        "Last-Event-ID: " + "9" * 5000,
        "Range: bytes=0-0,1-1,5-9",
        "Range: bytes=99999999999999999999-",
        "X-Forwarded-Host: evil\r\nX-Original-URL: /etc/passwd",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Accept: " + "a/b," * 2000,
        "Connection: upgrade\r\nUpgrade: h2c",
        "Expect: 100-continue",
        "Cookie: " + "a=b; " * 500,
    ],
)
def test_tricks_with_headers_lead_nowhere(server: Server, headers: str) -> None:
    for path in ("/api/v1/events?limit=1", "/api/v1/jobs", "/api/v1/characters"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
            request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            status = int(connection.recv(65536).split(b" ", 2)[1])
        assert status in (101, 200, 400, 413, 431)
