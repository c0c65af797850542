"""What the routes of both jobs share: starting one, checking its results."""

from __future__ import annotations

from sqlmodel import Session

from api.schemas import CheckInfo
from daemon import characters, queue, verify
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
