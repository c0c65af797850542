"""Renaming a character: folders, paths in rows, and the name; what a crash interrupts is finished later."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from daemon import characters, events
from daemon.database import Database
from daemon.errors import ConflictError
from daemon.layout import Layout
from daemon.names import character_name
from daemon.tables import Artifact, Character, Inference, Status, Voice, now

logger = logging.getLogger(__name__)

_AFTER_NAME = re.compile(r"(-[0-9a-f]{8})?[_-]e")
"""What stands behind the character's name in the name of a weights file; the version is left out in older ones."""


def rename(database: Database, layout: Layout, old: str, new: str) -> Character:
    """Rename a character; files, jobs, models and inferences follow.

    Raises:
        NotFoundError: there is none of the old name.
        InvalidInputError: the new name cannot be accepted.
        ConflictError: the new name is taken, or a job or a sentence of this character is running.
    """
    wanted = character_name(new)
    with database.write() as session:
        character = characters.get(session, old)
        if character.name == wanted:
            return character
        characters.refuse_while_renaming(character)
        _refuse_taken(session, layout, wanted)
        _refuse_busy(session, character)
        character.renaming_to = wanted
        session.add(character)
        assert character.id is not None
    return _finish(database, layout, character.id)


def finish_renames(database: Database, layout: Layout) -> None:
    """Finish what a crash left half renamed; called at start."""
    with database.read() as session:
        waiting = session.exec(select(Character.id).where(col(Character.renaming_to).is_not(None))).all()
    for character_id in waiting:
        assert character_id is not None
        _finish(database, layout, character_id)


def _refuse_taken(session: Session, layout: Layout, wanted: str) -> None:
    if characters.find(session, wanted) is not None:
        raise ConflictError(f"character {wanted!r} exists already")
    if layout.character(wanted).exists():
        raise ConflictError(f"a folder of an unknown character {wanted!r} is in the way; move it aside first")


def _refuse_busy(session: Session, character: Character) -> None:
    if characters.running_job(session, character) is not None:
        raise ConflictError(f"character {character.name!r} is being processed; wait for it or cancel the job first")
    speaking = select(Inference).where(Inference.character_id == character.id, Inference.status == Status.RUNNING)
    if session.exec(speaking).first() is not None:
        raise ConflictError(f"character {character.name!r} is speaking at this moment; try again when it has finished")


def _finish(database: Database, layout: Layout, character_id: int) -> Character:
    """Move what is not moved yet and take the new name. Every part of it can be repeated."""
    with database.write() as session:
        character = session.get_one(Character, character_id)
        old, new = character.name, character.renaming_to
        if new is None:
            return character
        _move_folders(layout, old, new)
        _rewrite_rows(session, character_id, old, new)
        character.name, character.renaming_to, character.updated_at = new, None, now()
        session.add(character)
        events.append(session, "character.renamed", character_id=character_id, old=old, new=new)
    logger.info("renamed character %s to %s", old, new)
    return character


def _move_folders(layout: Layout, old: str, new: str) -> None:
    _move(layout.character(old), layout.character(new))
    _move(layout.experiment(new).with_name(old), layout.experiment(new))
    _move(layout.transcript_list(new).with_name(f"{old}.list"), layout.transcript_list(new))
    models = layout.models(new)
    for path in sorted(models.iterdir()) if models.is_dir() else ():
        _move(path, path.with_name(_model_name(path.name, old, new)))
    _move(layout.inbox(old), layout.inbox(new))
    layout.inbox(new).mkdir(parents=True, exist_ok=True)


def _move(source: Path, target: Path) -> None:
    """Move a file or folder; a folder that exists already takes the entries that it lacks."""
    if source == target or not source.exists():
        return
    if target.is_dir() and source.is_dir():
        for entry in sorted(source.iterdir()):
            if not (target / entry.name).exists():
                entry.replace(target / entry.name)
        if not any(source.iterdir()):
            source.rmdir()
        return
    if not target.exists():
        source.replace(target)


def _rewrite_rows(session: Session, character_id: int, old: str, new: str) -> None:
    for artifact in session.exec(select(Artifact).where(Artifact.character_id == character_id)):
        outputs = [{**output, "path": moved_path(output["path"], old, new)} for output in artifact.outputs]
        if outputs != artifact.outputs:
            artifact.outputs = outputs
            session.add(artifact)
    for voice in session.exec(select(Voice).where(Voice.character_id == character_id)):
        voice.sovits_path = moved_path(voice.sovits_path, old, new)
        voice.gpt_path = moved_path(voice.gpt_path, old, new)
        session.add(voice)
    for inference in session.exec(select(Inference).where(Inference.character_id == character_id)):
        inference.character_name = new
        inference.request = _renamed_request(inference.request, new)
        session.add(inference)


def _renamed_request(request: dict[str, Any], new: str) -> dict[str, Any]:
    return {**request, "character_name": new} if "character_name" in request else request


def moved_path(path: str, old: str, new: str) -> str:
    """Return where a file of the old name, relative to the character's folder, lies under the new one."""
    first, _, rest = path.partition("/")
    if first == "experiments" and rest.startswith(f"{old}/"):
        return f"experiments/{new}/{rest[len(old) + 1 :]}"
    if path == f"transcripts/{old}.list":
        return f"transcripts/{new}.list"
    if first == "models":
        return f"models/{_model_name(rest, old, new)}"
    return path


def _model_name(name: str, old: str, new: str) -> str:
    """Follow the names of weights: <name>-<version>_e<epoch>_s<step>.pth and <name>-<version>-e<epoch>.ckpt."""
    return new + name[len(old) :] if name.startswith(old) and _AFTER_NAME.match(name, len(old)) else name
