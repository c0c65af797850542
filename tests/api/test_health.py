"""Probes and figures."""

from __future__ import annotations

from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from daemon import lock
from daemon.settings import PathSettings
from daemon.tables import ServiceState
from pipeline.steps import JobKind
from tests.api.test_routes import NAME
from tests.daemon.installation import Installation

ROOT = "http://testserver.local"


def _parts(client: TestClient) -> dict[str, dict[str, object]]:
    return {part["name"]: part for part in client.get(f"{ROOT}/readyz").json()["parts"]}


def _figures(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = client.get(f"{ROOT}/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in text_string_to_metric_families(answer.text)
        for sample in metric.samples
    }


def _beat(installation: Installation, **health: bool) -> None:
    value = {
        "pid": 1,
        "ready": True,
        "health": {"watcher": True, "scheduler": True, "jobs": True, "voice": True} | health,
    }
    with installation.database.write() as session:
        session.merge(ServiceState(key="daemon", value=value))


def test_a_living_process_says_so_without_looking_at_anything(client: TestClient) -> None:
    answer = client.get(f"{ROOT}/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_without_a_daemon_the_service_is_not_ready_and_says_what_mends_it(client: TestClient) -> None:
    answer = client.get(f"{ROOT}/readyz")
    assert answer.status_code == 503
    daemon = _parts(client)["daemon"]
    assert daemon["ready"] is False
    assert "systemctl start" in str(daemon["remedy"])


def test_with_everything_there_it_is_ready(installation: Installation, client: TestClient) -> None:
    _beat(installation)
    with lock.exclusive(installation.layout.lock):
        answer = client.get(f"{ROOT}/readyz")
        assert answer.status_code == 200, answer.text
        assert {part["name"] for part in answer.json()["parts"]} >= {"database", "daemon", "watcher", "queue", "disk"}


def test_a_part_that_died_and_missing_models_are_named(installation: Installation, client: TestClient) -> None:
    installation.character(NAME)
    with installation.database.write() as session:
        character = session.merge(installation.now(NAME))
        character.config = {**character.config, "family": "v2ProPlus"}
        session.add(character)
    _beat(installation, jobs=False)
    with lock.exclusive(installation.layout.lock):
        parts = _parts(client)
    assert parts["queue"]["ready"] is False
    assert parts["models of v2ProPlus"]["ready"] is False
    assert parts["models of v2ProPlus"]["remedy"] == "sovits-daemon models pull v2ProPlus"


def test_before_the_database_is_prepared_the_probes_answer_all_the_same(installation: Installation) -> None:
    paths = PathSettings(work_dir=installation.layout.work_dir / "new", inbox_dir=installation.layout.inbox_dir)
    paths.work_dir.mkdir()
    settings = installation.world.settings.model_copy(update={"paths": paths})
    with TestClient(create_app(settings), base_url=ROOT) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert "sovits_up 0.0" in client.get("/metrics").text


def test_the_figures_tell_of_stock_work_and_requests(installation: Installation, client: TestClient) -> None:
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"abc")
    installation.work(NAME, JobKind.PROCESS)
    installation.enqueue(NAME, JobKind.TRAIN)
    client.get(f"characters/{NAME}")
    figures = _figures(client)
    assert figures["sovits_recordings", frozenset()] == 1
    assert figures["sovits_recordings_bytes", frozenset()] == 3
    done = frozenset({("kind", "process"), ("status", "completed")})
    assert figures["sovits_jobs", done] == 1
    assert figures["sovits_jobs", frozenset({("kind", "train"), ("status", "pending")})] == 1
    route = frozenset({("method", "GET"), ("route", "/api/v1/characters/{character_name}"), ("status", "200")})
    assert figures["sovits_http_requests_total", route] >= 1


def test_labels_never_hold_what_clients_or_people_chose(installation: Installation, client: TestClient) -> None:
    installation.character(NAME)
    for path in ("characters/秘密", "characters/%2e%2e", f"characters/{NAME}"):
        client.get(path)
    text = client.get(f"{ROOT}/metrics").text
    assert "秘密" not in text
    assert NAME not in text


def test_the_figures_of_a_graphics_card_are_those_of_its_own_program() -> None:
    from daemon.gpus import parse

    found = parse("0, 1024, 81559, 37\n1, [N/A], 24576, 0\nnonsense\n")
    assert found["0"] == {"memory_used_bytes": 2**30, "memory_bytes": 81559 * 2**20, "busy_ratio": 0.37}
    assert found["1"]["memory_used_bytes"] == 0
