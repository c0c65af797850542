"""What the routes of both jobs share: starting one, checking its results."""

from __future__ import annotations

from sqlmodel import Session

from api.schemas import CheckInfo
from daemon import characters, queue, staleness, verify
from daemon.errors import ConflictError
from daemon.staleness import JobKind
from daemon.tables import Character, Job, Origin
from daemon.world import World


def start(session: Session, character: Character, kind: JobKind) -> Job:
    """Queue a job and return it; what is queued or running already is returned as it is."""
    assert character.id is not None
    job = queue.enqueue(session, character.id, kind, Origin.API)
    session.flush()
    return job


def check(world: World, character_name: str, kind: JobKind) -> CheckInfo:
    """Compare a job's results with the files on the disk."""
    with world.database.read() as session:
        character = characters.get(session, character_name)
    verdict = verify.check(world.database, world.settings, world.layout, character, kind)
    return CheckInfo(character_name=character.name, status=verdict.status, message=verdict.message)


def refuse_unprocessed(world: World, session: Session, character: Character) -> None:
    """Stop here when a training would begin before the audio is processed; one that is queued already is left alone.

    Raises:
        ConflictError: says what to do first.
    """
    assert character.id is not None
    if queue.active(session, character.id, JobKind.TRAIN) is not None:
        return
    if not staleness.is_complete(session, world.settings, character, JobKind.PROCESS):
        raise ConflictError(
            f"the audio of character {character.name!r} is not processed yet; POST "
            f"/api/v1/characters/{character.name}/audio/process and wait until its status is completed"
        )
