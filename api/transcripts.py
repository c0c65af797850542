"""Routes of clips and their transcripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from anyio import to_thread
from litestar import Controller, MediaType, Request, Response, delete, get, post, put, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import JSONBody, PathParameter, QueryParameter
from litestar.types import ASGIApp
from msgspec import UNSET

from api.describe import clip_info, data_report_info
from api.downloads import METHODS, SOUND, by_method, file_responses
from api.files import FileAnswer
from api.parameters import CharacterName, Limit, Offset, WorldDependency, one_of
from api.schemas_report import DataReport
from api.schemas_transcripts import ClipEdit, ClipInfo, ClipPage, ListImported
from api.strictness import refuse_unknown_parameters
from daemon import characters, clips, data_report, transcript_edits, transcript_lists
from daemon.clips import ClipState, Order, Variant
from daemon.errors import InvalidInputError
from daemon.transcript_edits import Wanted
from daemon.world import World

MAX_LIST_BYTES = 20_000_000
ClipName = Annotated[str, PathParameter(description="name of a clip")]
State = Annotated[str, QueryParameter(query="state", enum=["", *ClipState], description="only clips that stand so")]
Form = Annotated[str, QueryParameter(enum=["", *Variant], description="left out: denoised, where there is such a file")]
LIST_EXAMPLE = "sliced_audio/a.wav_0000000000_0000160000.wav|小明|ZH|你好，世界。"
LIST_RESPONSE = ResponseSpec(
    str, description="path|speaker|language|text", media_type=MediaType.TEXT, generate_examples=False
)


@dataclass
class ListOperation(Operation):
    """Describes the list file, which the handler reads by itself."""

    def __post_init__(self) -> None:
        """Add the body."""
        schema = Schema(
            type=OpenAPIType.STRING, min_length=1, description="path|speaker|language|text", examples=[LIST_EXAMPLE]
        )
        self.request_body = RequestBody(content={"text/plain": OpenAPIMediaType(schema=schema)}, required=True)


class TranscriptController(Controller):
    """Seeing, hearing and correcting what was recognised."""

    path = "/characters/{character_name:str}"
    tags = ("transcripts",)
    guards = (refuse_unknown_parameters,)

    @get("/clips", operation_id="listClips", sync_to_thread=True)
    def list_clips(
        self,
        world: WorldDependency,
        character_name: CharacterName,
        clip_state: State = "",
        recording: Annotated[str, QueryParameter(description="only clips of this recording")] = "",
        sort: Annotated[Order, QueryParameter(description="confidence: the least certain first")] = Order.NAME,
        limit: Limit = 100,
        offset: Offset = 0,
    ) -> ClipPage:
        """List clips with their transcripts."""
        state = one_of(ClipState, "state", clip_state)
        with world.database.read() as session:
            found = clips.of_character(session, world.settings, characters.get(session, character_name))
        wanted = [clip for clip in found if state in (None, clip.state) and recording in ("", clip.recording)]
        page = clips.ordered(wanted, sort)[offset : offset + limit]
        return ClipPage(total=len(wanted), clips=[clip_info(clip) for clip in page])

    @get("/clips/{clip:str}", operation_id="showClip", sync_to_thread=True)
    def show_clip(self, world: WorldDependency, character_name: CharacterName, clip: ClipName) -> ClipInfo:
        """Show one clip with its transcript."""
        return _shown(world, character_name, clip)

    @route(
        "/clips/{clip:str}/audio", http_method=METHODS, operation_id=by_method("hearClip", "measureClip"),
        sync_to_thread=True, responses=file_responses(SOUND),
    )  # fmt: skip
    def clip_audio(
        self,
        world: WorldDependency,
        character_name: CharacterName,
        clip: ClipName,
        variant: Form = "",
    ) -> ASGIApp:
        """Hear a clip; with HTTP ranges."""
        with world.database.read() as session:
            character = characters.get(session, character_name)
            found = clips.get(session, world.settings, character, clip)
        path = clips.audio_path(world.layout, character.name, found.name, one_of(Variant, "variant", variant))
        return FileAnswer(path, path.name, attachment=False)

    @put("/clips/{clip:str}", operation_id="editClip", status_code=200, sync_to_thread=True)
    def edit_clip(
        self, world: WorldDependency, character_name: CharacterName, clip: ClipName, data: JSONBody[ClipEdit]
    ) -> ClipInfo:
        """Correct a clip's text or language, leave it out, or take it in again."""
        with world.database.write() as session:
            character = characters.get(session, character_name)
            found = clips.get(session, world.settings, character, clip)
            before = transcript_edits.present(transcript_edits.find(session, character, found.name))
            wanted = transcript_edits.checked(_merged(before, data))
            if transcript_edits.put(session, character, found.name, wanted, found.before):
                transcript_edits.announce(session, character, {found.name})
        return _shown(world, character_name, clip)

    @delete("/clips/{clip:str}", operation_id="restoreClip", status_code=200, sync_to_thread=True)
    def restore_clip(self, world: WorldDependency, character_name: CharacterName, clip: ClipName) -> ClipInfo:
        """Take a person's changes back: the transcript is what was recognised or given with the recording."""
        with world.database.write() as session:
            character = characters.get(session, character_name)
            found = clips.get(session, world.settings, character, clip)
            if transcript_edits.put(session, character, found.name, Wanted(), found.before):
                transcript_edits.announce(session, character, {found.name})
        return _shown(world, character_name, clip)

    @get("/transcripts", operation_id="exportTranscripts", sync_to_thread=True, responses={200: LIST_RESPONSE})
    def export(self, world: WorldDependency, character_name: CharacterName) -> Response[str]:
        """Export the transcripts as a list file."""
        with world.database.read() as session:
            text = transcript_lists.export(session, world.settings, characters.get(session, character_name))
        return Response(text, media_type=MediaType.TEXT)

    @post(
        "/transcripts",
        operation_id="importTranscripts",
        status_code=200,
        request_max_body_size=MAX_LIST_BYTES,
        operation_class=ListOperation,
    )
    async def take(
        self, request: Request[Any, Any, Any], world: WorldDependency, character_name: CharacterName
    ) -> ListImported:
        """Import a list file; each line corrects the clip or the recording of that base name."""
        body = await request.body()
        if not body:
            raise InvalidInputError("the body is missing: send the list file, path|speaker|language|text in each line")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInputError("the list file is not UTF-8") from error
        done = await to_thread.run_sync(transcript_lists.take, world.database, world.settings, character_name, text)
        return ListImported(
            changed=done.changed, unchanged=done.unchanged, unknown=done.unknown, problems=done.problems
        )

    @get("/report", operation_id="showDataReport", sync_to_thread=True)
    def report(self, world: WorldDependency, character_name: CharacterName) -> DataReport:
        """Say how good the recordings are for training, and what would make the voice better."""
        with world.database.read() as session:
            character = characters.get(session, character_name)
            return data_report_info(data_report.of_character(session, world.settings, character))


def _merged(before: Wanted, data: ClipEdit) -> Wanted:
    return Wanted(
        before.text if data.text is UNSET else data.text,
        before.language if data.language is UNSET else data.language,
        before.excluded if data.excluded is UNSET else data.excluded,
    )


def _shown(world: World, character_name: str, clip: str) -> ClipInfo:
    with world.database.read() as session:
        character = characters.get(session, character_name)
        return clip_info(clips.get(session, world.settings, character, clip))
