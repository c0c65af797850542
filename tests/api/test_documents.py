"""The documents of the API work with no internet access and name every route of the contract."""

from __future__ import annotations

import re

import pytest
from litestar.testing import TestClient

CONTRACT = {
    ("post", "/characters"),
    ("get", "/characters"),
    ("get", "/characters/{character_name}"),
    ("put", "/characters/{character_name}"),
    ("delete", "/characters/{character_name}"),
    ("post", "/characters/{character_name}/set_default"),
    ("get", "/default_character"),
    ("post", "/characters/{character_name}/audio/upload"),
    ("get", "/characters/{character_name}/audio/files"),
    ("delete", "/characters/{character_name}/audio/files/{filename}"),
    ("post", "/characters/{character_name}/audio/process"),
    ("get", "/characters/{character_name}/audio/status"),
    ("get", "/characters/{character_name}/audio/check_status"),
    ("post", "/characters/{character_name}/training/start"),
    ("get", "/characters/{character_name}/training/status"),
    ("get", "/characters/{character_name}/training/check_status"),
    ("post", "/characters/{character_name}/training/clean"),
    ("post", "/inference"),
    ("get", "/inference/{inference_id}"),
    ("get", "/inference"),
    ("get", "/characters/{character_name}/download/{filename}"),
    ("get", "/inference/{inference_id}/download"),
}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_a_page_names_no_foreign_host_and_its_parts_are_served_here(client: TestClient, page: str) -> None:
    answer = client.get(f"http://testserver.local{page}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "//" not in answer.text.replace("<!DOCTYPE html>", "")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href|spec-url)="([^"]+)"', answer.text)
    assert parts
    for part in parts:
        assert client.get(f"http://testserver.local{part}").status_code == 200, part


def test_the_description_names_every_route_of_the_contract(client: TestClient) -> None:
    document = client.get("http://testserver.local/openapi.json").json()
    offered = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert {(method, f"/api/v1{path}") for method, path in CONTRACT} <= offered


def test_every_operation_is_described(client: TestClient) -> None:
    document = client.get("http://testserver.local/openapi.json").json()
    silent = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not operation.get("description")
    ]
    assert silent == []


def test_upload_is_described_as_a_form_with_a_file(client: TestClient) -> None:
    document = client.get("http://testserver.local/openapi.json").json()
    upload = document["paths"]["/api/v1/characters/{character_name}/audio/upload"]["post"]
    schema = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["file"]["type"] == "string"


def test_the_root_tells_what_answers(client: TestClient) -> None:
    body = client.get("http://testserver.local/").json()
    assert body["service"] == "sovits-daemon"
    assert body["docs_url"] == "/docs"
    assert body["version"]


def test_only_the_offered_files_are_served(client: TestClient) -> None:
    for name in ("swagger-ui.LICENSE", "..%2f..%2fapp.py", "nothing.js"):
        assert client.get(f"http://testserver.local/static/{name}").status_code == 404
