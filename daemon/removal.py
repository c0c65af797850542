"""Deleting a whole character, or what training made of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from sqlmodel import Session, col, delete, select

from daemon import characters, events
from daemon.aside import Aside
from daemon.database import Database
from daemon.errors import ConflictError
from daemon.layout import Layout
from daemon.tables import Artifact, Character, Job, Status, Voice
from pipeline.steps import STEPS, JobKind

logger = logging.getLogger(__name__)

WAIT_S = 30.0
"""How long a running worker may take to stop: the grace before SIGKILL and some more."""
POLL_S = 0.1
_TRAINING_STEPS = [step.name.value for step in STEPS if step.kind is JobKind.TRAIN]


def delete_character(database: Database, layout: Layout, name: str, *, wait_s: float = WAIT_S) -> None:
    """Delete a character with everything below its folder; a running job is cancelled first.

    Recordings that still wait in its inbox folder are left there.

    Raises:
        NotFoundError: there is none of this name.
        ConflictError: its job did not stop in time; trying again helps.
    """
    kinds = tuple(JobKind)
    _stop_jobs(database, name, kinds, wait_s)
    with Aside(layout) as aside, database.write() as session:
        character = characters.get(session, name)
        characters.refuse_while_renaming(character)
        _refuse_running(session, character, kinds)
        session.delete(character)
        events.append(session, "character.deleted", name=character.name)
        characters.choose_new_default(session)
        aside.take(layout.character(character.name))
        _remove_if_empty(layout.inbox(character.name))
    logger.info("deleted character %s", name)


def clean_training(database: Database, layout: Layout, name: str, *, wait_s: float = WAIT_S) -> None:
    """Remove models, checkpoints, features and the record of trainings; a running training is cancelled first.

    Raises:
        NotFoundError: there is no such character.
        ConflictError: the training did not stop in time; trying again helps.
    """
    kinds = (JobKind.TRAIN,)
    _stop_jobs(database, name, kinds, wait_s)
    with Aside(layout) as aside, database.write() as session:
        character = characters.get(session, name)
        characters.refuse_while_renaming(character)
        _refuse_running(session, character, kinds)
        mine = col(Artifact.character_id) == character.id
        session.exec(delete(Artifact).where(mine, col(Artifact.step).in_(_TRAINING_STEPS)))
        session.exec(delete(Voice).where(col(Voice.character_id) == character.id))
        session.exec(delete(Job).where(col(Job.character_id) == character.id, col(Job.kind) == JobKind.TRAIN.value))
        events.append(session, "training.cleaned", character_id=character.id)
        aside.take(layout.models(character.name))
        aside.take(layout.experiment(character.name))
    logger.info("removed the training of %s", name)


def _stop_jobs(database: Database, name: str, kinds: Sequence[JobKind], wait_s: float) -> None:
    """Ask the jobs to stop and wait for it, as long as a daemon is there to do it."""
    with database.write() as session:
        character = characters.get(session, name)
        for job in _active_jobs(session, character, kinds):
            job.cancel_requested = True
            session.add(job)
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        with database.read() as session:
            if not _running_under_daemon(session, character, kinds):
                return
        time.sleep(POLL_S)


def _refuse_running(session: Session, character: Character, kinds: Sequence[JobKind]) -> None:
    if _running_under_daemon(session, character, kinds):
        raise ConflictError(f"character {character.name!r} is still being processed; try again in a few seconds")


def _running_under_daemon(session: Session, character: Character, kinds: Sequence[JobKind]) -> bool:
    running = any(job.status == Status.RUNNING for job in _active_jobs(session, character, kinds))
    return running and characters.daemon_alive(session)


def _active_jobs(session: Session, character: Character, kinds: Sequence[JobKind]) -> Sequence[Job]:
    return session.exec(
        select(Job).where(
            Job.character_id == character.id,
            col(Job.kind).in_([kind.value for kind in kinds]),
            col(Job.status).in_([Status.PENDING.value, Status.RUNNING.value]),
        )
    ).all()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
