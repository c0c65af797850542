"""Routes of batches: many texts, a text file or subtitles at once."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, HttpMethod, get, post, route
from litestar.params import JSONBody, PathParameter
from litestar.types import ASGIApp
from sqlmodel import Session

from api.access import SPEAKERS, CallerDependency
from api.downloads import by_method, file_responses
from api.files import FileAnswer
from api.parameters import Limit, WorldDependency
from api.schemas_speech import BatchBody, BatchDetail, BatchInfo, BatchItemInfo
from api.strictness import refuse_unknown_parameters
from daemon import batches
from daemon.batches import Script
from daemon.errors import InvalidInputError
from daemon.inferences import DEFAULT_LANGUAGE, InferenceRequest
from daemon.keys import Scope
from daemon.speech_options import SoundFormat
from daemon.tables import SpeechBatch, Status

BatchId = Annotated[str, PathParameter(description="id of a batch")]


class BatchController(Controller):
    """Queueing many texts, following them, fetching the archive."""

    path = "/batches"
    tags = ("inference",)
    guards = (refuse_unknown_parameters,)

    @post("/", operation_id="createBatch", status_code=200, sync_to_thread=True, scope=Scope.SPEAK)
    def create(self, world: WorldDependency, caller: CallerDependency, data: JSONBody[BatchBody]) -> BatchInfo:
        """Queue many texts; single sentences that come later are spoken before the rest."""
        template = InferenceRequest(
            target_text="",
            character_name=data.character_name,
            ref_audio=data.ref_audio or None,
            ref_text=data.ref_text,
            ref_language=data.ref_language or DEFAULT_LANGUAGE,
            target_language=data.target_language or DEFAULT_LANGUAGE,
            voice_version=data.voice_version,
            options=data.options(),
        )
        batch = batches.create(world, _script(data), template, data.format, caller)
        with world.database.read() as session:
            return _info(session, batch)

    @get("/", operation_id="listBatches", sync_to_thread=True, scope=SPEAKERS)
    def list_all(self, world: WorldDependency, limit: Limit = 100) -> list[BatchInfo]:
        """List the newest batches, newest first."""
        with world.database.read() as session:
            return [_info(session, batch) for batch in batches.listing(session, limit)]

    @get("/{batch_id:str}", operation_id="showBatch", sync_to_thread=True, scope=SPEAKERS)
    def show(self, world: WorldDependency, batch_id: BatchId) -> BatchDetail:
        """Tell how far a batch is, text by text."""
        with world.database.read() as session:
            return _detail(session, batches.get(session, batch_id))

    @post("/{batch_id:str}/cancel", operation_id="cancelBatch", status_code=200, sync_to_thread=True, scope=Scope.SPEAK)
    def cancel(self, world: WorldDependency, batch_id: BatchId) -> BatchInfo:
        """Stop what is left of a batch; what was spoken can still be fetched."""
        batch = batches.cancel(world, batch_id)
        with world.database.read() as session:
            return _info(session, batch)

    @route(
        "/{batch_id:str}/download",
        operation_id=by_method("downloadBatch", "headBatch"),
        http_method=(HttpMethod.GET, HttpMethod.HEAD),
        sync_to_thread=True,
        scope=SPEAKERS,
        responses=file_responses("application/zip"),
    )
    def download(self, world: WorldDependency, batch_id: BatchId) -> ASGIApp:
        """Download the sounds of a finished batch as a zip archive."""
        path = batches.archive(world, batch_id)
        return FileAnswer(path, f"batch_{batch_id[:8]}.zip")


def _script(data: BatchBody) -> Script:
    given = [each for each in (data.texts, data.text_file, data.subtitles) if each is not None]
    if len(given) != 1:
        raise InvalidInputError("send exactly one of texts, text_file and subtitles")
    if data.texts is not None:
        return batches.script_of_texts(data.texts)
    if data.text_file is not None:
        return batches.script_of_file(data.text_file)
    return batches.script_of_subtitles(data.subtitles or "")


def _info(session: Session, batch: SpeechBatch) -> BatchInfo:
    state = batches.state_of(batches.sentences(session, batch))
    return BatchInfo(
        batch_id=batch.id,
        character_name=batch.character_name,
        status=state.status,
        format=SoundFormat(batch.sound_format),
        created_at=batch.created_at,
        done=state.done,
        failed=state.failed,
        total=state.total,
    )


def _detail(session: Session, batch: SpeechBatch) -> BatchDetail:
    info = _info(session, batch)
    items = [
        BatchItemInfo(
            inference_id=row.id,
            name=batch.names[row.batch_position],
            text=row.target_text,
            status=Status(row.status),
            error_message=row.error_message,
        )
        for row in batches.sentences(session, batch)
    ]
    return BatchDetail(**{name: getattr(info, name) for name in info.__struct_fields__}, items=items)
