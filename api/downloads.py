"""Routes that answer with files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from litestar import Controller, HttpMethod, route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter
from litestar.types import ASGIApp, Method
from litestar.types.internal_types import PathParameterDefinition

from api.files import FileAnswer
from api.parameters import CharacterName, InferenceId, WorldDependency
from daemon import characters, inferences, shelf
from daemon.errors import ConflictError, NotFoundError
from daemon.tables import Status

METHODS = (HttpMethod.GET, HttpMethod.HEAD)


def file_responses(media_type: str) -> dict[int, ResponseSpec]:
    """Return what a file of this kind is answered with, whole or in part."""
    return {
        200: ResponseSpec(bytes, description="the file", media_type=media_type, generate_examples=False),
        206: ResponseSpec(bytes, description="the wanted part of it", media_type=media_type, generate_examples=False),
    }


ANY_KIND = "*/*"
SOUND = "audio/*"


def by_method(get: str, head: str) -> Callable[[HTTPRouteHandler, Method, list[str | PathParameterDefinition]], str]:
    """Return what names the two operations of a route that answers GET and HEAD."""
    return lambda _handler, method, _path: get if method == HttpMethod.GET else head


FilePath = Annotated[str, PathParameter(description="a model, an experiment file or another file of the character")]


class DownloadController(Controller):
    """Models, experiment files, spoken sentences; with HTTP ranges."""

    tags = ("downloads",)

    @route(
        "/characters/{character_name:str}/download/{filename:path}",
        http_method=METHODS,
        operation_id=by_method("downloadFile", "measureFile"),
        sync_to_thread=True,
        responses=file_responses(ANY_KIND),
    )
    def character_file(self, world: WorldDependency, character_name: CharacterName, filename: FilePath) -> ASGIApp:
        """Download a file of a character."""
        with world.database.read() as session:
            name = characters.get(session, character_name).name
        path = shelf.find(world.layout, name, filename.removeprefix("/"))
        return FileAnswer(path, path.name)

    @route(
        "/inference/{inference_id:str}/download",
        http_method=METHODS,
        operation_id=by_method("downloadInference", "measureInference"),
        sync_to_thread=True,
        responses=file_responses(SOUND),
    )
    def spoken(self, world: WorldDependency, inference_id: InferenceId) -> ASGIApp:
        """Download a spoken sentence as WAV."""
        with world.database.read() as session:
            row = inferences.get(session, inference_id)
        if row.status != Status.COMPLETED or row.output_path is None:
            raise ConflictError(f"inference {row.id} is {row.status}; there is nothing to download")
        path = world.layout.work_dir / row.output_path
        if not path.is_file():
            raise NotFoundError(f"the sound of inference {row.id} is not on the disk any more")
        return FileAnswer(path, f"{row.character_name}_{row.id[:8]}.wav")
