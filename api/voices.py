"""Routes of the versions of a voice."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, delete, get, post, put
from litestar.params import JSONBody, PathParameter, QueryParameter

from api.describe import curves_of, voice_info
from api.parameters import LARGEST_ID, CharacterName, WorldDependency
from api.schemas import Done
from api.schemas_voices import VoiceCurves, VoiceInfo, VoiceNote, VoicePage
from api.strictness import refuse_unknown_parameters
from daemon import characters, curves, versions
from daemon.world import World

VoiceNumber = Annotated[int, PathParameter(description="number of a version", ge=1, le=LARGEST_ID)]


class VoiceController(Controller):
    """Every finished training is a version; one of them speaks."""

    path = "/characters/{character_name:str}/voices"
    tags = ("voices",)
    guards = (refuse_unknown_parameters,)

    @get("/", operation_id="listVoices", sync_to_thread=True)
    def list_all(self, world: WorldDependency, character_name: CharacterName) -> VoicePage:
        """List the versions, the one trained last first."""
        with world.database.read() as session:
            character = characters.get(session, character_name)
            found = versions.listing(session, character)
        return VoicePage(voices=[voice_info(world.layout, character, voice) for voice in found])

    @get("/{voice_id:int}", operation_id="showVoice", sync_to_thread=True)
    def show(self, world: WorldDependency, character_name: CharacterName, voice_id: VoiceNumber) -> VoiceInfo:
        """Show one version."""
        return _shown(world, character_name, voice_id)

    @post("/{voice_id:int}/activate", operation_id="activateVoice", status_code=200, sync_to_thread=True)
    def activate(self, world: WorldDependency, character_name: CharacterName, voice_id: VoiceNumber) -> VoiceInfo:
        """Have a version speak from now on: a newer one, or an older one again."""
        versions.activate(world.database, world.layout, character_name, voice_id)
        return _shown(world, character_name, voice_id)

    @put("/{voice_id:int}", operation_id="noteVoice", status_code=200, sync_to_thread=True)
    def note(
        self,
        world: WorldDependency,
        character_name: CharacterName,
        voice_id: VoiceNumber,
        data: JSONBody[VoiceNote],
    ) -> VoiceInfo:
        """Write a note about a version."""
        versions.set_note(world.database, character_name, voice_id, data.note)
        return _shown(world, character_name, voice_id)

    @delete("/{voice_id:int}", operation_id="deleteVoice", status_code=200, sync_to_thread=True)
    def remove(self, world: WorldDependency, character_name: CharacterName, voice_id: VoiceNumber) -> Done:
        """Delete a version that does not speak, with its files."""
        versions.delete(world.database, world.layout, character_name, voice_id)
        return Done(message=f"voice version {voice_id} of {character_name} was deleted")

    @get("/{voice_id:int}/metrics", operation_id="showVoiceCurves", sync_to_thread=True)
    def metrics(
        self,
        world: WorldDependency,
        character_name: CharacterName,
        voice_id: VoiceNumber,
        limit: Annotated[int, QueryParameter(ge=1, le=100_000, description="points a training at most")] = 10_000,
    ) -> VoiceCurves:
        """Show how the trainings of a version went."""
        with world.database.read() as session:
            character = characters.get(session, character_name)
            voice = versions.get(session, character, voice_id)
        files = curves.version_files(world.layout, character, voice)
        return VoiceCurves(voice_id=voice_id, curves=curves_of(files, tuple(curves.Training), 0, limit))


def _shown(world: World, character_name: str, voice_id: int) -> VoiceInfo:
    with world.database.read() as session:
        character = characters.get(session, character_name)
        return voice_info(world.layout, character, versions.get(session, character, voice_id))
