"""Routes of training."""

from __future__ import annotations

from litestar import Controller, get, post

from api.describe import Describer
from api.jobs import check, refuse_unprocessed, start
from api.parameters import CharacterName, WorldDependency
from api.polling import AnswersDependency
from api.schemas import CheckInfo, Done, TrainingInfo
from daemon import characters, removal
from daemon.staleness import JobKind


class TrainingController(Controller):
    """Starting, following, checking and cleaning a training."""

    path = "/characters/{character_name:str}/training"
    tags = ("training",)

    @post("/start", operation_id="startTraining", status_code=200, sync_to_thread=True)
    def start(self, world: WorldDependency, character_name: CharacterName) -> TrainingInfo:
        """Queue a training, unless it is queued or running already."""
        with world.database.write() as session:
            character = characters.get(session, character_name)
            refuse_unprocessed(world, session, character)
            start(session, character, JobKind.TRAIN)
            return Describer(world, session).training(character)

    @get("/status", operation_id="showTraining")
    async def status(
        self, world: WorldDependency, answers: AnswersDependency, character_name: CharacterName
    ) -> TrainingInfo:
        """Tell how training stands."""

        def compute() -> TrainingInfo:
            with world.database.read() as session:
                return Describer(world, session).training(characters.get(session, character_name))

        return await answers.get(TrainingInfo, character_name, compute)

    @get("/check_status", operation_id="checkTraining", sync_to_thread=True)
    def check_status(self, world: WorldDependency, character_name: CharacterName) -> CheckInfo:
        """Compare the results of training with the files on the disk."""
        return check(world, character_name, JobKind.TRAIN)

    @post("/clean", operation_id="cleanTraining", status_code=200, sync_to_thread=True)
    def clean(self, world: WorldDependency, character_name: CharacterName) -> Done:
        """Remove models, checkpoints and the training state; a running training is cancelled first."""
        removal.clean_training(world.database, world.layout, character_name)
        return Done(message=f"the training of {character_name} was removed; its recordings and clips are kept")
