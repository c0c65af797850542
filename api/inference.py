"""Routes of speaking."""

from __future__ import annotations

from litestar import Controller, get, post
from litestar.params import JSONBody

from api import describe
from api.access import CallerDependency
from api.parameters import InferenceId, WorldDependency
from api.schemas import InferenceBody, InferenceInfo
from daemon import inferences
from daemon.inferences import DEFAULT_LANGUAGE, InferenceRequest
from daemon.keys import Scope


class InferenceController(Controller):
    """Queueing sentences and following them."""

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
        )
        return describe.inference(inferences.create(world.database, world.settings, world.layout, request, caller))

    @get("/{inference_id:str}", operation_id="showInference", sync_to_thread=True)
    def show(self, world: WorldDependency, inference_id: InferenceId) -> InferenceInfo:
        """Tell how far a sentence is."""
        with world.database.read() as session:
            return describe.inference(inferences.get(session, inference_id))

    @get("/", operation_id="listInferences", sync_to_thread=True)
    def list_all(self, world: WorldDependency) -> list[InferenceInfo]:
        """List the newest sentences, newest first."""
        with world.database.read() as session:
            return [describe.inference(row) for row in inferences.list_all(session)]
