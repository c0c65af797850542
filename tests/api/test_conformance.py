"""The API keeps to its own description: schemathesis with all its checks, against a real server with data in it."""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import pytest
import requests
from litestar import Litestar
from litestar.testing import TestClient

from api import openapi
from api.app import create_app
from api.examples import EXAMPLES
from daemon import characters, keys, lock
from daemon.keys import Scope
from daemon.settings import AccessSettings, load_settings
from daemon.tables import Inference, ServiceState, SpeechBatch, Status, now
from daemon.world import World
from pipeline.steps import JobKind
from tests.api.conftest import Server, serving
from tests.api.speaker import speaking
from tests.daemon.installation import Installation, opened

NAME = "小明"
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"
RULES = (
    "createCharacter", "renameCharacter", "uploadRecording", "createInference", "editClip", "createBatch",
    "createSpeech",
)  # fmt: skip
"""What these accept depends on more than a schema can say (a reserved name, what a file holds, a voice's language)."""
ENDLESS = "streamEvents"
DESTRUCTIVE = ("deleteCharacter", "renameCharacter", "cleanTraining", "deleteRecording", "deleteVoice")
REQUEST_TIMEOUT_S = 60
"""An archive is packed by a process of its own, which takes its time on a busy machine."""
CLIP = "a.wav_0000000000_0000160000.wav"
KNOWN = {
    "character_name": NAME, "clip": CLIP, "voice_id": 1, "job_id": 1, "inference_id": "0" * 32, "filename": "a.wav",
    "batch_id": "0" * 32, "model_id": "tts-1",
}  # fmt: skip


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The description, as the application gives it."""
    application: Litestar = create_app(load_settings(environment={}).settings)
    return openapi.complete(application.openapi_schema.to_schema())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server; 小明 has recordings, clips, jobs, a voice and a sentence."""
    with opened(tmp_path_factory.mktemp("conformance")) as installation, lock.exclusive(installation.layout.lock):
        _fill(installation)
        with serving(installation) as server, speaking(installation):
            yield server


def _fill(installation: Installation) -> None:
    installation.character(NAME)
    for name in ("a.wav", "b.wav"):
        installation.record(NAME, name, name.encode())
    installation.work(NAME, JobKind.PROCESS)
    installation.work(NAME, JobKind.TRAIN)
    output = "inference/known.wav"
    with wave.open(str(installation.layout.work_dir / output), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(32_000)
        sound.writeframes(bytes(6400))
    health = dict.fromkeys(("watcher", "scheduler", "jobs", "voice"), True)
    with installation.database.write() as session:
        # A daemon that seems to be at work, so that the service calls itself ready.
        session.add(ServiceState(key="daemon", value={"health": health}, updated_at=now() + timedelta(hours=1)))
        character = characters.get(session, NAME)
        facts = {"character_id": character.id, "character_name": NAME, "target_text": "x", "request": {}}
        session.add(
            SpeechBatch(id="0" * 32, character_id=character.id, character_name=NAME, sound_format="wav", names=["0001"])
        )
        session.flush()
        session.add(Inference(id="0" * 32, status=Status.COMPLETED, output_path=output, batch_id="0" * 32, **facts))


def conforms(
    server: Server,
    folder: Path,
    examples: int,
    *options: str,
    parameters: Mapping[str, Any],
    accepted: Sequence[str] = ("2xx", "400", "404", "409"),
) -> None:
    """Run schemathesis and show what it found, if anything; `accepted` is what RULES may answer to valid data."""
    rules = [
        "[generation]",
        "deterministic = true",
        "[[operations]]",
        f"include-operation-id = {json.dumps(RULES)}",
        f"checks.positive_data_acceptance.expected-statuses = {json.dumps(accepted)}",
        *(["[parameters]"] if parameters else []),
        *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items()),
    ]
    settings = folder / "schemathesis.toml"
    settings.write_text("\n".join(rules), encoding="utf-8")
    address = urlsplit(server.url)
    command = [
        sys.executable, "-c", PROGRAM, "--config-file", str(settings), "run", str(openapi.FILE), "--no-color",
        "--url", f"{address.scheme}://{address.netloc}", "--checks", "all", "--max-examples", str(examples),
        "--request-timeout", str(REQUEST_TIMEOUT_S), *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout


def test_any_request_about_what_exists_is_answered_as_described(filled: Server, tmp_path: Path) -> None:
    options = [option for name in (ENDLESS, *DESTRUCTIVE) for option in ("--exclude-operation-id", name)]
    conforms(filled, tmp_path, 1, "--phases", "coverage", *options, parameters=KNOWN)


def test_any_request_that_makes_renames_or_deletes_is_answered_as_described(filled: Server, tmp_path: Path) -> None:
    options = [option for name in {*DESTRUCTIVE, *RULES} for option in ("--include-operation-id", name)]
    conforms(filled, tmp_path, 2, "--phases", "examples,fuzzing", *options, parameters={})


@contextmanager
def _asking_for_keys(folder: Path) -> Iterator[tuple[Server, str]]:
    """The same with a server that asks everybody for a key; yield it with a key of all scopes."""
    with opened(folder) as open_to_all, lock.exclusive(open_to_all.layout.lock):
        _fill(open_to_all)
        world = open_to_all.world
        settings = world.settings.model_copy(update={"access": AccessSettings(require_key=True)})
        installation = Installation(World(world.database, settings, world.layout))
        with installation.database.write() as session:
            _, key = keys.create(session, "tester", [Scope.ADMIN])
        with serving(installation) as server, speaking(installation):
            yield server, key


def test_with_a_key_all_is_answered_as_described_and_without_one_nothing(
    document: dict[str, Any], tmp_path: Path
) -> None:
    endless = ("--exclude-operation-id", ENDLESS)
    left_out = [option for name in DESTRUCTIVE for option in ("--exclude-operation-id", name)]
    options = ("--phases", "examples", *endless, *left_out)
    with _asking_for_keys(tmp_path / "state") as (server, key):
        conforms(server, tmp_path, 1, *options, "--header", f"Authorization: Bearer {key}", parameters=KNOWN)
        # and without the key nothing is told but what needs none
        root = server.url.removesuffix("/api/v1")
        for path, method, operation in openapi.operations(document):
            answer = requests.request(method, f"{root}{path.format_map(KNOWN)}", timeout=60)
            assert (answer.status_code == 401) == ("security" in operation), (method, path)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_very_many_requests_are_answered_as_described(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as installation, lock.exclusive(installation.layout.lock):
        _fill(installation)
        with serving(installation) as server, speaking(installation):
            endless = ("--exclude-operation-id", ENDLESS)
            left_out = [option for name in DESTRUCTIVE for option in ("--exclude-operation-id", name)]
            conforms(server, tmp_path, 60, *endless, *left_out, parameters=KNOWN)
            conforms(server, tmp_path, 60, *endless, parameters={})


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_very_many_requests_with_a_key_are_answered_as_described(tmp_path: Path) -> None:
    endless = ("--exclude-operation-id", ENDLESS)
    with _asking_for_keys(tmp_path / "state") as (server, key):
        conforms(server, tmp_path, 30, *endless, "--header", f"Authorization: Bearer {key}", parameters={})
        conforms(server, tmp_path, 10, *endless, parameters={}, accepted=("401",))


def test_the_description_in_the_repository_is_that_of_the_application(document: dict[str, Any]) -> None:
    kept = openapi.FILE.read_text(encoding="utf-8")
    assert kept == openapi.text_of(document), "run python -m api.openapi"
    assert openapi.main(["--check"]) == 0


def test_both_addresses_serve_the_complete_description(client: TestClient[Any], document: dict[str, Any]) -> None:
    for address in ("/openapi.json", "/schema/openapi.json"):
        assert client.get(f"http://testserver.local{address}").json() == document


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in openapi.operations(document)]
    assert len(set(ids)) == len(ids)
    assert all(each.isalpha() and each[0].islower() for each in ids)


def test_every_json_body_has_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    without = []
    for path, method, operation in openapi.operations(document):
        for media_type, media in openapi.media_types(operation):
            if media_type == "application/json" and "example" not in media:
                without.append((method, path))
            elif media_type == "application/json":
                schema = {**media["schema"], "components": document["components"]}
                jsonschema_rs.validate(schema, media["example"])
    assert without == []


def test_no_example_is_left_over(document: dict[str, Any]) -> None:
    assert set(EXAMPLES) <= set(document["components"]["schemas"])


def test_every_error_has_the_one_body(document: dict[str, Any]) -> None:
    for path, _, operation in openapi.operations(document):
        name = "OpenAiError" if path.startswith(openapi.OPENAI_PREFIX) else "ErrorBody"
        for status, answer in operation["responses"].items():
            if status >= "400" and (path, status) != ("/readyz", "503"):
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{name}"}
