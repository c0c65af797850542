"""Routes of speaking."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter
from litestar.response import Stream

from api import describe
from api.access import SPEAKERS, CallerDependency
from api.parameters import InferenceId, WorldDependency
from api.schemas import InferenceInfo
from api.schemas_speech import InferenceBody
from api.sound import ListenerDependency, begun, stream
from api.strictness import refuse_unknown_parameters
from daemon import inferences
from daemon.inferences import DEFAULT_LANGUAGE, InferenceRequest
from daemon.keys import Scope
from daemon.speech_options import SoundFormat

Format = Annotated[SoundFormat, QueryParameter(query="format", description="of the sound")]
SOUND = ResponseSpec(bytes, description="the sound", media_type="audio/*", generate_examples=False)


class InferenceController(Controller):
    """Queueing sentences, following them, hearing them."""

    path = "/inference"
    tags = ("inference",)

    @post("/", operation_id="createInference", status_code=200, sync_to_thread=True, scope=Scope.SPEAK)
    def create(self, world: WorldDependency, caller: CallerDependency, data: JSONBody[InferenceBody]) -> InferenceInfo:
        """Queue a sentence to be spoken."""
        request = InferenceRequest(
            target_text=data.target_text,
            character_name=data.character_name,
            ref_audio=data.ref_audio or None,
            ref_text=data.ref_text,
            ref_language=data.ref_language or DEFAULT_LANGUAGE,
            target_language=data.target_language or DEFAULT_LANGUAGE,
            output_name=data.output_name,
            voice_version=data.voice_version,
            options=data.options(),
        )
        return describe.inference(inferences.create(world.database, world.settings, world.layout, request, caller))

    @get("/{inference_id:str}", operation_id="showInference", sync_to_thread=True, scope=SPEAKERS)
    def show(self, world: WorldDependency, inference_id: InferenceId) -> InferenceInfo:
        """Tell how far a sentence is."""
        with world.database.read() as session:
            return describe.inference(inferences.get(session, inference_id))

    @get("/", operation_id="listInferences", sync_to_thread=True)
    def list_all(self, world: WorldDependency) -> list[InferenceInfo]:
        """List the newest sentences, newest first."""
        with world.database.read() as session:
            return [describe.inference(row) for row in inferences.list_all(session)]

    @post(
        "/{inference_id:str}/cancel",
        operation_id="cancelInference",
        status_code=200,
        sync_to_thread=True,
        scope=Scope.SPEAK,
    )
    def cancel(self, world: WorldDependency, inference_id: InferenceId) -> InferenceInfo:
        """Stop a sentence that waits or is being spoken; one that has ended stays as it is."""
        return describe.inference(inferences.cancel(world.database, inference_id))

    @get(
        "/{inference_id:str}/stream",
        operation_id="streamInference",
        scope=SPEAKERS,
        responses={200: SOUND},
        guards=[refuse_unknown_parameters],
    )
    async def hear(
        self, listener: ListenerDependency, inference_id: InferenceId, sound_format: Format = SoundFormat.WAV
    ) -> Stream:
        """Hear a sentence while it is being spoken, or afterwards, in any format."""
        blocks = await begun(stream(listener, inference_id, sound_format))
        return Stream(blocks, media_type=sound_format.media_type, headers={"cache-control": "no-store"})
