"""Bodies and addresses as nobody should send them: each is answered with one sentence, none with a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from tests.daemon.installation import Installation, opened

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
CONFIG_FIELDS = st.sampled_from(
    ["language", "batch_size", "epochs_s2", "epochs_s1", "gpu_id", "enable_denoise", "family", "character_name", "more"]
)
CREATION = st.fixed_dictionaries(
    {"character_name": JSON | st.just("小明")},
    optional={"config": JSON | st.dictionaries(CONFIG_FIELDS, JSON, max_size=3)},
)
INFERENCE_FIELDS = st.sampled_from(
    ["target_text", "character_name", "ref_audio", "ref_text", "ref_language", "target_language", "output_name", "more"]
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with 小明."""
    with opened(tmp_path_factory.mktemp("bodies")) as installation:
        installation.character("小明")
        yield installation


@pytest.fixture(scope="module")
def api(filled: Installation) -> Iterator[TestClient[Litestar]]:
    """A client of it."""
    application = create_app(filled.world.settings)
    base_url = "http://testserver.local/api/v1/"
    with TestClient(application, base_url=base_url, raise_server_exceptions=False) as made:
        yield made


def send(api: TestClient[Litestar], method: str, path: str, body: bytes) -> httpx.Response:
    return api.request(method, path, content=body, headers={"content-type": "application/json"})


def refusal(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"status_code", "detail"}
    assert body["status_code"] == status
    assert "Traceback" not in body["detail"]
    assert "\n" not in body["detail"]
    return str(body["detail"])


def is_answer_or_refusal(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        refusal(answer, answer.status_code)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"character_name": "a", "confi": 1}, "confi:"),
        ({"character_name": "a", "config": {"epochs": 1}}, "config.epochs:"),
        ({}, "character_name:"),
        ({"character_name": 3}, "character_name:"),
        ({"character_name": "a", "config": 3}, "config:"),
        ({"character_name": "a", "config": {"epochs_s1": 0}}, "config.epochs_s1:"),
        ({"character_name": "a", "config": {"epochs_s1": 1.5}}, "config.epochs_s1:"),
        ({"character_name": "a", "config": {"batch_size": 10**30}}, "config.batch_size:"),
        ({"character_name": "a", "config": {"language": "中文"}}, "config.language:"),
        ({"character_name": "a", "config": {"gpu_id": "0,1"}}, "config.gpu_id:"),
        ({"character_name": "a", "config": {"character_name": "b"}}, "config.character_name:"),
    ],
)
def test_the_field_that_is_wrong_is_named(api: TestClient[Litestar], body: dict[str, Any], field: str) -> None:
    assert refusal(send(api, "POST", "characters", json.dumps(body).encode()), 400).startswith(field)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'{"character_name": "\\ud800"}', b"[" * 100_000, b'{"a":' * 100_000],
    ids=["nothing", "half", "a list", "null", "not UTF-8", "half a surrogate pair", "deep lists", "deep objects"],
)
def test_what_is_not_the_expected_json_is_refused(api: TestClient[Litestar], body: bytes) -> None:
    assert "body" in refusal(send(api, "POST", "characters", body), 400)


@MANY
@given(CREATION)
def test_any_creation_is_answered(api: TestClient[Litestar], body: dict[str, Any]) -> None:
    is_answer_or_refusal(send(api, "POST", "characters", json.dumps(body).encode()))


@MANY
@given(st.dictionaries(INFERENCE_FIELDS, JSON | st.text(max_size=20), max_size=6))
def test_any_request_to_speak_is_answered(api: TestClient[Litestar], body: dict[str, Any]) -> None:
    is_answer_or_refusal(send(api, "POST", "inference", json.dumps({"target_text": "x", **body}).encode()))


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(api: TestClient[Litestar], body: bytes) -> None:
    refusal(send(api, "PUT", "characters/小明", body), 400)


@MANY
@given(st.text(max_size=80), st.sampled_from(["", "/audio/status", "/audio/files", "/training/status", "/download/a"]))
def test_any_name_in_an_address_is_answered(api: TestClient[Litestar], name: str, rest: str) -> None:
    is_answer_or_refusal(api.get(f"characters/{quote(name.encode(errors='surrogatepass'), safe='')}{rest}"))


@MANY
@given(st.text(min_size=1, max_size=80))
def test_any_file_name_stays_inside_the_folder(api: TestClient[Litestar], name: str) -> None:
    refusal(api.get(f"characters/小明/download/{quote(name.encode(errors='surrogatepass'))}"), 404)
