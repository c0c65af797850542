"""Routes of characters."""

from __future__ import annotations

from litestar import Controller, delete, get, post, put
from litestar.params import JSONBody

from api.describe import Describer
from api.parameters import CharacterName, WorldDependency
from api.schemas import CharacterInfo, CreateCharacterBody, DefaultCharacter, Done, RenameBody
from daemon import character_config, characters, removal, renaming
from daemon.errors import InvalidInputError
from daemon.names import character_name as accepted_name


class CharacterController(Controller):
    """Making, listing, renaming, deleting; the default."""

    tags = ("characters",)

    @post("/characters", operation_id="createCharacter", status_code=200, sync_to_thread=True)
    def create(self, world: WorldDependency, data: JSONBody[CreateCharacterBody]) -> CharacterInfo:
        """Make a character; the first one becomes the default."""
        given = data.config.given() if data.config is not None else {}
        _check_inner_name(data)
        config = character_config.parse(given, world.settings, prefix="config.")
        character = characters.create(world.database, world.layout, data.character_name, config)
        with world.database.read() as session:
            return Describer(world, session).character(character)

    @get("/characters", operation_id="listCharacters", sync_to_thread=True)
    def list_all(self, world: WorldDependency) -> list[CharacterInfo]:
        """List all characters by name."""
        with world.database.read() as session:
            describer = Describer(world, session)
            return [describer.character(character) for character in characters.list_all(session)]

    @get("/characters/{character_name:str}", operation_id="showCharacter", sync_to_thread=True)
    def show(self, world: WorldDependency, character_name: CharacterName) -> CharacterInfo:
        """Show one character."""
        with world.database.read() as session:
            return Describer(world, session).character(characters.get(session, character_name))

    @put("/characters/{character_name:str}", operation_id="renameCharacter", status_code=200, sync_to_thread=True)
    def rename(
        self, world: WorldDependency, character_name: CharacterName, data: JSONBody[RenameBody]
    ) -> CharacterInfo:
        """Rename a character; files, jobs and models follow."""
        character = renaming.rename(world.database, world.layout, character_name, data.new_name)
        with world.database.read() as session:
            return Describer(world, session).character(character)

    @delete("/characters/{character_name:str}", operation_id="deleteCharacter", status_code=200, sync_to_thread=True)
    def remove(self, world: WorldDependency, character_name: CharacterName) -> Done:
        """Delete a character with its recordings, models and results; a running job is cancelled first."""
        removal.delete_character(world.database, world.layout, character_name)
        return Done(message=f"character {character_name} was deleted")

    @post(
        "/characters/{character_name:str}/set_default",
        operation_id="setDefaultCharacter",
        status_code=200,
        sync_to_thread=True,
    )
    def set_default(self, world: WorldDependency, character_name: CharacterName) -> Done:
        """Make a character the one that requests without a name mean."""
        characters.set_default(world.database, character_name)
        return Done(message=f"character {character_name} is the default now")

    @get("/default_character", operation_id="showDefaultCharacter", sync_to_thread=True)
    def default(self, world: WorldDependency) -> DefaultCharacter:
        """Name the default character."""
        with world.database.read() as session:
            character = characters.default(session)
            return DefaultCharacter(default_character=character.name if character is not None else None)


def _check_inner_name(data: CreateCharacterBody) -> None:
    inner = data.config.character_name if data.config is not None else None
    if isinstance(inner, str) and accepted_name(inner) != accepted_name(data.character_name):
        raise InvalidInputError("config.character_name: it differs from character_name; leave it out")
