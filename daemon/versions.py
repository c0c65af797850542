"""Versions of a character's voice: every finished training is one, and one of them speaks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from daemon import characters, events
from daemon.aside import Aside
from daemon.curves import curve_path
from daemon.database import Database
from daemon.errors import ConflictError, InvalidInputError, NotFoundError
from daemon.layout import Layout
from daemon.tables import Artifact, Character, Inference, Job, Status, Voice, now
from daemon.world import World
from pipeline.steps import JobKind, StepName

logger = logging.getLogger(__name__)

REPORTED = ("family", "sovits_path", "gpt_path", "input_hash", "trained_from")
"""What a worker must say of a voice."""
MAX_NOTE_CHARACTERS = 2000
_TRAININGS = (StepName.TRAIN_SOVITS.value, StepName.TRAIN_GPT.value)
_WAITING = (Status.PENDING, Status.RUNNING)


def listing(session: Session, character: Character) -> Sequence[Voice]:
    """Return the versions of a character, the one trained last first."""
    query = select(Voice).where(Voice.character_id == character.id)
    return session.exec(query.order_by(col(Voice.created_at).desc(), col(Voice.id).desc())).all()


def get(session: Session, character: Character, voice_id: int) -> Voice:
    """Return one version.

    Raises:
        NotFoundError: the character has none with this number.
    """
    voice = session.get(Voice, voice_id) if 0 < voice_id < 1 << 63 else None
    if voice is None or voice.character_id != character.id:
        raise NotFoundError(f"character {character.name!r} has no voice version {voice_id}")
    return voice


def active(session: Session, character: Character) -> Voice | None:
    """Return the version that speaks for a character, if any."""
    query = select(Voice).where(Voice.character_id == character.id, col(Voice.active).is_(True))
    return session.exec(query.order_by(col(Voice.id).desc()).limit(1)).first()


def record(session: Session, character_id: int, job_id: int, data: Mapping[str, Any]) -> None:
    """Write down the voice that a training reports; every training does, also one that found nothing to do.

    A new version speaks from now on, and so does an older one that was trained again. The newest one reported once
    more changes nothing, so that a person's choice of another version stays.
    """
    character = session.get_one(Character, character_id)
    versions = listing(session, character)
    facts: dict[str, Any] = {name: str(data[name]) for name in REPORTED}
    same = ("input_hash", "sovits_path", "gpt_path")
    found = next((voice for voice in versions if all(getattr(voice, name) == facts[name] for name in same)), None)
    if found is not None and found is versions[0] and any(voice.active for voice in versions):
        return
    voice = found or Voice(character_id=character_id, **facts, metrics={}, active=False)
    voice.job_id, voice.created_at = job_id, now()
    voice.metrics, voice.config = dict(data.get("metrics") or {}), dict(data.get("config") or {})
    session.add(voice)
    session.flush()
    _make_active(session, voice)


def activate(database: Database, layout: Layout, name: str, voice_id: int) -> Voice:
    """Have a version speak for its character.

    Raises:
        NotFoundError: no such character or version.
        ConflictError: its files are not on the disk.
    """
    with database.write() as session:
        character = characters.get(session, name)
        voice = get(session, character, voice_id)
        if not on_disk(layout, character, voice):
            raise ConflictError(f"the files of voice version {voice_id} are not on the disk any more")
        _make_active(session, voice)
        return voice


def set_note(database: Database, name: str, voice_id: int, note: str) -> Voice:
    """Keep what a person wrote about a version.

    Raises:
        NotFoundError: no such character or version.
        InvalidInputError: it is too long, or holds what is no character.
    """
    if len(note) > MAX_NOTE_CHARACTERS or any("\ud800" <= each <= "\udfff" for each in note):
        raise InvalidInputError(f"note: up to {MAX_NOTE_CHARACTERS} characters of Unicode are accepted")
    with database.write() as session:
        character = characters.get(session, name)
        voice = get(session, character, voice_id)
        if voice.note != note:
            voice.note = note
            session.add(voice)
            events.append(session, "voice.noted", character_id=character.id, voice=voice_id)
        return voice


def delete(database: Database, layout: Layout, name: str, voice_id: int) -> None:
    """Delete a version with its files; what the newest training made is then trained again when it is wanted.

    Raises:
        NotFoundError: no such character or version.
        ConflictError: it is the one that speaks, a sentence waits for it, or a training is running.
    """
    with Aside(layout) as aside, database.write() as session:
        character = characters.get(session, name)
        characters.refuse_while_renaming(character)
        voice = get(session, character, voice_id)
        if voice.active:
            raise ConflictError(
                f"voice version {voice_id} is the one that speaks; activate another one first, or remove all with "
                f"POST /api/v1/characters/{character.name}/training/clean"
            )
        _refuse_busy(session, character, voice)
        _remove(session, aside, layout, character, voice)
    logger.info("deleted voice version %d of %s", voice_id, name)


def retire(world: World, character_id: int) -> int:
    """Delete the oldest versions beyond the number that is kept, never the active one; return how many went."""
    keep = world.settings.training.keep_versions
    with Aside(world.layout) as aside, world.database.write() as session:
        character = session.get(Character, character_id)
        if character is None or character.renaming_to is not None:
            return 0
        gone = surplus(session, character, keep)
        for voice in gone:
            _remove(session, aside, world.layout, character, voice)
    return len(gone)


def surplus(session: Session, character: Character, keep: int) -> list[Voice]:
    """Return the versions beyond the newest `keep` that neither speak nor are waited for."""
    old = [voice for voice in listing(session, character)[keep:] if not voice.active]
    return [voice for voice in old if not _is_wanted(session, voice)]


def on_disk(layout: Layout, character: Character, voice: Voice) -> bool:
    """Whether both files of a version are there."""
    root = layout.character(character.name)
    return all((root / path).is_file() for path in (voice.sovits_path, voice.gpt_path))


def _make_active(session: Session, voice: Voice) -> None:
    others = update(Voice).where(col(Voice.character_id) == voice.character_id, col(Voice.active).is_(True))
    session.execute(others.values(active=False))
    voice.active = True
    session.add(voice)
    events.append(session, "voice.activated", character_id=voice.character_id, job_id=voice.job_id, voice=voice.id)


def _refuse_busy(session: Session, character: Character, voice: Voice) -> None:
    if _is_wanted(session, voice):
        raise ConflictError(f"a sentence waits for voice version {voice.id}; try again when it is spoken")
    training = select(Job.id).where(
        Job.character_id == character.id, Job.kind == JobKind.TRAIN.value, Job.status == Status.RUNNING
    )
    if session.exec(training).first() is not None:
        raise ConflictError(f"character {character.name!r} is being trained; wait for it or cancel the job first")


def _is_wanted(session: Session, voice: Voice) -> bool:
    """Whether a sentence that is not spoken yet names this version."""
    query = select(Inference.id).where(
        Inference.character_id == voice.character_id,
        col(Inference.status).in_(_WAITING),
        func.json_extract(col(Inference.request), "$.voice_version") == voice.id,
    )
    return session.exec(query.limit(1)).first() is not None


def _remove(session: Session, aside: Aside, layout: Layout, character: Character, voice: Voice) -> None:
    """Take a version's row away, the files that no other version shares, and the record of having made them."""
    assert voice.id is not None
    session.delete(voice)
    session.flush()
    kept = {path for other in listing(session, character) for path in (other.sovits_path, other.gpt_path)}
    gone = {voice.sovits_path, voice.gpt_path} - kept
    query = select(Artifact).where(Artifact.character_id == character.id, col(Artifact.step).in_(_TRAININGS))
    for artifact in session.exec(query).all():
        if any(output["path"] in gone for output in artifact.outputs):
            session.delete(artifact)
    events.append(session, "voice.deleted", character_id=character.id, voice=voice.id)
    root = layout.character(character.name)
    for path in sorted(gone):
        aside.take(root / path)
        aside.take(root / curve_path(path))
