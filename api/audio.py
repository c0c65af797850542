"""Routes of recordings and their processing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import to_thread
from litestar import Controller, Request, delete, get, post
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from api.describe import Describer
from api.jobs import check, start
from api.parameters import CharacterName, FileName, WorldDependency
from api.polling import AnswersDependency
from api.receiving import FIELD, receive
from api.schemas import AudioFileInfo, AudioProcessingInfo, CheckInfo, FileDeleted, Uploaded
from daemon import characters, recordings, uploads
from daemon.errors import ConflictError
from daemon.staleness import JobKind


@dataclass
class UploadOperation(Operation):
    """Describes the form, which the handler reads as a stream and so does not declare."""

    def __post_init__(self) -> None:
        """Add the body."""
        file = Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.BINARY,
            description="wav mp3 m4a flac aac ogg opus wma 3gp webm",
        )
        form = Schema(type=OpenAPIType.OBJECT, required=[FIELD], properties={FIELD: file})
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=form)}, required=True)


class AudioController(Controller):
    """Uploading, listing, deleting; processing and its status."""

    path = "/characters/{character_name:str}/audio"
    tags = ("audio",)

    @post(
        "/upload",
        operation_id="uploadRecording",
        status_code=200,
        request_max_body_size=None,
        operation_class=UploadOperation,
    )
    async def upload(
        self, request: Request[Any, Any, Any], world: WorldDependency, character_name: CharacterName
    ) -> Uploaded:
        """Upload a recording as the multipart field `file`; the same bytes are not stored twice."""
        name = await to_thread.run_sync(_known_name, world, character_name)
        async with receive(request, world.layout, world.settings.server.max_upload_bytes) as arrived:
            store = partial(uploads.store, world.database, world.settings, world.layout, name, arrived)
            stored = await to_thread.run_sync(store)
        path = world.layout.raw_audio(name) / stored.filename
        relative = path.relative_to(world.layout.work_dir).as_posix()
        return Uploaded(message=stored.message, filename=stored.filename, path=relative)

    @get("/files", operation_id="listRecordings", sync_to_thread=True)
    def list_files(self, world: WorldDependency, character_name: CharacterName) -> list[AudioFileInfo]:
        """List the recordings by file name."""
        with world.database.read() as session:
            describer, character = Describer(world, session), characters.get(session, character_name)
            return [describer.audio_file(character, row) for row in recordings.listing(session, character)]

    @delete("/files/{filename:str}", operation_id="deleteRecording", status_code=200, sync_to_thread=True)
    def delete_file(self, world: WorldDependency, character_name: CharacterName, filename: FileName) -> FileDeleted:
        """Delete a recording."""
        recordings.delete_file(world.database, world.layout, character_name, filename)
        return FileDeleted(message=f"{filename} was deleted", filename=filename)

    @post("/process", operation_id="startProcessing", status_code=200, sync_to_thread=True)
    def process(self, world: WorldDependency, character_name: CharacterName) -> AudioProcessingInfo:
        """Queue audio processing, unless it is queued or running already."""
        with world.database.write() as session:
            character = characters.get(session, character_name)
            if not recordings.listing(session, character):
                raise ConflictError(f"character {character.name!r} has no recordings; upload or drop some first")
            start(session, character, JobKind.PROCESS)
            return Describer(world, session).audio(character)

    @get("/status", operation_id="showProcessing")
    async def status(
        self, world: WorldDependency, answers: AnswersDependency, character_name: CharacterName
    ) -> AudioProcessingInfo:
        """Tell how audio processing stands."""

        def compute() -> AudioProcessingInfo:
            with world.database.read() as session:
                return Describer(world, session).audio(characters.get(session, character_name))

        return await answers.get(AudioProcessingInfo, character_name, compute)

    @get("/check_status", operation_id="checkProcessing", sync_to_thread=True)
    def check_status(self, world: WorldDependency, character_name: CharacterName) -> CheckInfo:
        """Compare the results of audio processing with the files on the disk."""
        return check(world, character_name, JobKind.PROCESS)


def _known_name(world: WorldDependency, character_name: str) -> str:
    with world.database.read() as session:
        return characters.get(session, character_name).name
