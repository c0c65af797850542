"""The description of the API, completed: every error that a route can answer, nothing left open, examples.

Usage: python -m api.openapi [--check]   (writes docs/openapi.json; with --check only tells whether it is up to date)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from api.examples import EXAMPLES
from api.openai_schemas import OpenAiError, OpenAiProblem
from api.schemas import ErrorBody
from daemon.character_config import CharacterConfig
from daemon.names import MAX_CHARACTERS

FILE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"
Document = dict[str, Any]
ERRORS = {
    400: "something in the request cannot be accepted; the sentence names it",
    401: "a key is needed, or the one given is not valid",
    403: "the key does not allow this",
    404: "something that the address names does not exist",
    405: "this address does not answer that method",
    408: "the body came too slowly",
    409: "it does not fit how things stand; the sentence says what to do first",
    413: "the body is too large",
    415: "the body is of another media type",
    416: "no byte of the file lies in the range",
    429: "more sentences than are allowed in a minute",
    500: "the service failed; its log says why",
    503: "the database is busy or not ready, or too many are connected; try again",
    507: "the disk is full",
}
PREFIX = "/api/v1"
OPENAI_PREFIX = "/v1/"
SPEAKING = frozenset({"createInference", "createBatch", "createSpeech"})
"""Operations that count against the limit of sentences a minute."""
NAME = {
    "minLength": 1,
    "maxLength": MAX_CHARACTERS,
    # What every reader of patterns understands; letters of any script (\p{L}) are not told from symbols by all.
    "pattern": r"^[^\x00-,./:-@\[-\^`{-\x7F]+$",
    "description": "letters of any script, digits, _ and -",
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key made with `sovits-daemon keys create`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same key"},
}
SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"header": []}]
"""Programs on the service's own machine need no key, unless its operator wants one from them, too."""
_REFERENCE = "#/components/schemas/"


class CompletePlugin(JsonRenderPlugin):
    """Serves the completed description."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:
        """Return it as JSON."""
        return super().render(request, complete(openapi_schema))


def complete(document: Document) -> Document:
    """Return a description with what Litestar cannot know."""
    done: Document = json.loads(json.dumps(document))
    schemas = done["components"]["schemas"]
    schemas[ErrorBody.__name__] = _error_schema()
    schemas[OpenAiError.__name__], schemas[OpenAiProblem.__name__] = _openai_error_schemas()
    done["components"]["securitySchemes"] = SCHEMES
    for path, method, operation in operations(done):
        _add_errors(path, method, operation)
        if "401" in operation["responses"]:
            operation["security"] = SECURITY
        _add_not_modified(method, operation)
        if operation["operationId"] == "createSpeech":
            operation["responses"]["200"]["content"]["text/event-stream"] = {}
        for _, media in media_types(operation):
            _add_example(media)
    _constrain(schemas)
    for name in _bodies(done):
        schemas[name]["additionalProperties"] = False  # unknown fields are refused, by name
    return done


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield each operation with its path and method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def media_types(operation: Document) -> Iterator[tuple[str, Document]]:
    """Yield each body of an operation with its media type: what is sent and what is answered."""
    for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from holder.get("content", {}).items()


def text_of(document: Document) -> str:
    """Return a description as it is kept in the repository; without the version, which changes with each release."""
    plain = {**document, "info": {**document["info"], "version": "1"}}
    return json.dumps(plain, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    from api.app import create_app
    from daemon.settings import load_settings

    text = text_of(complete(create_app(load_settings(environment={}).settings).openapi_schema.to_schema()))
    if "--check" in arguments:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == text
        if not same:
            sys.stderr.write(f"{FILE.name} is not up to date; run python -m api.openapi\n")
        return 0 if same else 1
    FILE.write_text(text, encoding="utf-8")
    return 0


def _error_schema() -> Document:
    return {
        "title": ErrorBody.__name__,
        "description": "Every error.",
        "type": "object",
        "required": ["detail", "status_code"],
        "properties": {
            "status_code": {"type": "integer"},
            "detail": {"type": "string", "description": "one clear sentence"},
        },
        "additionalProperties": False,
    }


def _openai_error_schemas() -> tuple[Document, Document]:
    """Return the errors on the routes in the shape of the public speech API."""
    text, maybe = {"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "null"}]}
    problem = {
        "title": OpenAiProblem.__name__,
        "type": "object",
        "required": ["code", "message", "param", "type"],
        "properties": {"message": text, "type": text, "param": maybe, "code": maybe},
    }
    reference = {"$ref": f"{_REFERENCE}{OpenAiProblem.__name__}"}
    outer = {
        "title": OpenAiError.__name__,
        "description": "Every error on these routes.",
        "type": "object",
        "required": ["error"],
        "properties": {"error": reference},
    }
    return outer, problem


def _constrain(schemas: Document) -> None:
    """Say what the handlers check themselves: a character's config, and its name."""
    known = CharacterConfig.model_json_schema()["properties"]
    for name, limits in known.items():
        schemas["ConfigBody"]["properties"][name] = {key: limits[key] for key in limits if key != "title"}
    schemas["ConfigBody"]["properties"]["character_name"] |= NAME
    schemas["CreateCharacterBody"]["properties"]["character_name"] |= NAME
    schemas["RenameBody"]["properties"]["new_name"] |= NAME
    for name in ("ref_language", "target_language"):
        schemas["InferenceBody"]["properties"][name] |= {"examples": ["中文", "english", "ja", "中英混合"]}
    schemas["InferenceBody"]["properties"]["target_text"]["minLength"] = 1


def _add_errors(path: str, method: str, operation: Document) -> None:
    """Add the answers that a route gives when it cannot do what it is asked to."""
    codes = {400, 405, 500}
    if path.startswith((PREFIX, OPENAI_PREFIX)):
        codes |= {401, 403, 503}
    if path == "/metrics":
        codes |= {401, 403}
    if operation["operationId"] in SPEAKING:
        codes |= {429}
    if "{" in path or any(each["in"] == "query" for each in operation.get("parameters", ())):
        codes |= {404}
    if method in ("post", "put", "delete"):
        codes |= {404, 409, 507}
    if "requestBody" in operation:
        codes |= {408, 413, 415}
    if "206" in operation["responses"]:
        codes |= {409, 416}
    if operation["operationId"] == "streamInference":
        codes |= {409}
    for code in sorted(codes):
        name = OpenAiError.__name__ if path.startswith(OPENAI_PREFIX) else ErrorBody.__name__
        content = {"application/json": {"schema": {"$ref": f"{_REFERENCE}{name}"}}}
        operation["responses"][str(code)] = {"description": ERRORS[code], "content": content}


def _add_not_modified(method: str, operation: Document) -> None:
    if "206" in operation["responses"]:
        operation["responses"]["304"] = {"description": "the client has this version already (If-None-Match)"}


def _add_example(media: Document) -> None:
    schema = media.get("schema", {})
    name = schema.get("$ref", "").removeprefix(_REFERENCE)
    inner = schema.get("items", {}).get("$ref", "").removeprefix(_REFERENCE)
    if name in EXAMPLES:
        media["example"] = EXAMPLES[name]
    elif inner in EXAMPLES:
        media["example"] = [EXAMPLES[inner]]


def _bodies(document: Document) -> set[str]:
    """Return the schemas that clients send, with those inside them."""
    waiting = [operation["requestBody"] for _, _, operation in operations(document) if "requestBody" in operation]
    found: set[str] = set()
    while waiting:
        for name in _references(waiting.pop()):
            schema = document["components"]["schemas"].get(name, {})
            if name not in found and schema.get("type") == "object":
                found.add(name)
                waiting.append(schema)
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(_REFERENCE)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
