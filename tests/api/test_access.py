"""Who may use the API, how much, and what is written down of it. The client of these tests is another machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from litestar.testing import TestClient

from api.app import create_app
from daemon import keys
from daemon.keys import Scope
from daemon.settings import AccessSettings, LimitSettings, Settings
from pipeline.steps import JobKind
from tests.api.conftest import serving
from tests.api.test_routes import NAME, refusal
from tests.daemon.installation import Installation
from tests.waiting import PATIENCE_S

CLIPS = Path(__file__).parent.parent / "data" / "allison_en"


def _key(installation: Installation, *scopes: Scope, per_minute: int | None = None) -> dict[str, str]:
    with installation.database.write() as session:
        _, key = keys.create(session, "-".join(scopes) or "key", scopes, per_minute)
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def _with(installation: Installation, **sections: object) -> Iterator[TestClient]:
    settings: Settings = installation.world.settings.model_copy(update=sections)
    with TestClient(
        create_app(settings), base_url="http://testserver.local/api/v1/", raise_server_exceptions=False
    ) as client:
        yield client


def test_without_any_key_everybody_is_served(client: TestClient) -> None:
    assert client.get("characters").status_code == 200


def test_as_soon_as_there_is_a_key_other_machines_need_one(installation: Installation, client: TestClient) -> None:
    assert client.get("characters").status_code == 200
    key = _key(installation, Scope.READ)
    answer = client.get("characters")
    assert "key" in refusal(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("characters", headers=key).status_code == 200
    assert client.get("characters", headers={"X-API-Key": key["Authorization"][7:]}).status_code == 200
    for wrong in ("Bearer nonsense", "Basic YTpi", "Bearer", "Bearer svd_00000000_x"):
        refusal(client.get("characters", headers={"Authorization": wrong}), 401)


def test_a_revoked_key_is_refused_from_the_next_request_on(installation: Installation, client: TestClient) -> None:
    key = _key(installation, Scope.READ)
    _key(installation, Scope.ADMIN)
    assert client.get("characters", headers=key).status_code == 200
    with installation.database.write() as session:
        keys.revoke(session, "read")
    refusal(client.get("characters", headers=key), 401)


def test_a_key_allows_only_its_scopes(installation: Installation, client: TestClient) -> None:
    installation.character(NAME)
    read, write, speak = (_key(installation, scope) for scope in (Scope.READ, Scope.WRITE, Scope.SPEAK))
    admin = _key(installation, Scope.ADMIN)
    body = {"character_name": NAME, "target_text": "你好"}
    assert "write" in refusal(client.post("characters", json={"character_name": "甲"}, headers=read), 403)
    assert client.post("characters", json={"character_name": "甲"}, headers=write).status_code == 200
    refusal(client.get("characters", headers=write), 403)
    refusal(client.post("inference", json=body, headers=read), 403)
    refusal(client.post("inference", json=body, headers=write), 403)
    refusal(client.post("inference", json=body, headers=speak), 409)  # let through: there is no voice yet
    refusal(client.post("inference", json=body, headers=admin), 409)
    assert client.delete(f"characters/{NAME}", headers=admin).status_code == 200


def test_documents_and_probes_need_no_key_and_the_figures_do(installation: Installation, client: TestClient) -> None:
    key = _key(installation, Scope.READ)
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/healthz"):
        assert client.get(f"http://testserver.local{path}").status_code == 200
    refusal(client.get("http://testserver.local/metrics"), 401)
    assert client.get("http://testserver.local/metrics", headers=key).status_code == 200


def test_programs_on_this_machine_need_no_key_unless_the_settings_say_so(installation: Installation) -> None:
    key = _key(installation, Scope.READ)
    with serving(installation) as server:
        assert requests.get(f"{server.url}/characters", timeout=PATIENCE_S).status_code == 200
        # a proxy on this machine tells of a client elsewhere
        told = requests.get(f"{server.url}/characters", headers={"X-Forwarded-For": "203.0.113.9"}, timeout=PATIENCE_S)
        assert told.status_code == 401
        # programs written for other services always send some key
        other = requests.get(f"{server.url}/characters", headers={"X-API-Key": "sk-other"}, timeout=PATIENCE_S)
        assert other.status_code == 200
        limited = requests.post(
            f"{server.url}/characters", json={"character_name": "甲"}, headers=key, timeout=PATIENCE_S
        )
        assert limited.status_code == 403, "a valid key counts with its scopes"
    with _with(installation, access=AccessSettings(require_key=True)) as client:
        refusal(client.get("characters"), 401)
        assert client.get("characters", headers=key).status_code == 200


def test_sentences_are_limited_by_the_minute_for_each_key(installation: Installation) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    slow, quick = _key(installation, Scope.SPEAK, per_minute=2), _key(installation, Scope.ADMIN)
    body = {"character_name": NAME, "target_text": "你好"}
    with _with(installation, limits=LimitSettings(sentences_per_minute=5)) as client:
        assert [client.post("inference", json=body, headers=slow).status_code for _ in range(2)] == [200, 200]
        answer = client.post("inference", json=body, headers=slow)
        assert "2 sentences a minute" in refusal(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert [client.post("inference", json=body, headers=quick).status_code for _ in range(6)] == [200] * 5 + [429]


def test_a_refused_sentence_is_not_counted(installation: Installation) -> None:
    installation.character(NAME)
    key = _key(installation, Scope.ADMIN, per_minute=1)
    with _with(installation) as client:
        for _ in range(3):
            refusal(client.post("inference", json={"character_name": NAME, "target_text": "x"}, headers=key), 409)


def test_requests_for_other_host_names_are_refused(installation: Installation) -> None:
    with _with(installation, access=AccessSettings(allowed_hosts="voice.example.org, *.lan")) as client:
        assert client.get("http://voice.example.org/api/v1/characters").status_code == 200
        assert client.get("http://a.lan/api/v1/characters").status_code == 200
        refusal(client.get("http://evil.example.org/api/v1/characters"), 400)


def test_each_change_leaves_a_line_that_tells_who_and_what(installation: Installation, client: TestClient) -> None:
    key = _key(installation, Scope.ADMIN)
    client.post("characters", json={"character_name": NAME}, headers=key)
    client.get("characters", headers=key)
    client.delete("characters/nobody")
    lines = [json.loads(line) for line in installation.layout.audit.read_text("utf-8").splitlines()]
    seen = [(line["caller"], line["method"], line["path"], line["status"]) for line in lines]
    assert seen == [
        ("key:admin", "POST", "/api/v1/characters", 200),
        (None, "DELETE", "/api/v1/characters/nobody", 401),
    ]
    assert key["Authorization"][7:] not in installation.layout.audit.read_text("utf-8")


@pytest.mark.parametrize("quota", [1, 10_000_000])
def test_uploads_beyond_the_quota_are_refused_and_leave_nothing(installation: Installation, quota: int) -> None:
    installation.character(NAME)
    recording = (CLIPS / "agent-alreadyon.flac").read_bytes()
    with _with(installation, limits=LimitSettings(quota_bytes=quota)) as client:
        answer = client.post(f"characters/{NAME}/audio/upload", files={"file": ("a.flac", recording, "audio/flac")})
        files = list(installation.layout.raw_audio(NAME).iterdir())
    if quota == 1:
        assert "bytes that are allowed" in refusal(answer, 507)
        assert files == []
    else:
        assert answer.status_code == 200
        assert len(files) == 1
