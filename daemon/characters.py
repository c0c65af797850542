"""Characters: making, finding, choosing the default. `renaming` and `removal` do what moves folders."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session, col, select

from daemon import events
from daemon.character_config import CharacterConfig
from daemon.database import Database
from daemon.errors import BusyError, ConflictError, NotFoundError
from daemon.layout import Layout
from daemon.names import MAX_CHARACTERS, character_name
from daemon.tables import Character, Job, ServiceState, Status, now

logger = logging.getLogger(__name__)

DAEMON_ALIVE = timedelta(seconds=20)
"""A heartbeat older than this means that no daemon runs."""
DAEMON_STATE = "daemon"
"""The key of the daemon's heartbeat in ServiceState."""


def create(database: Database, layout: Layout, name: str, config: CharacterConfig) -> Character:
    """Make a character with its folders.

    Raises:
        InvalidInputError: the name cannot be accepted.
        ConflictError: there is one of this name.
    """
    wanted = character_name(name)
    with database.write() as session:
        if find(session, wanted) is not None:
            raise ConflictError(f"character {wanted!r} exists already")
        character = _insert(session, wanted, config)
        make_folders(layout, wanted)
    logger.info("created character %s", wanted)
    return character


def ensure(session: Session, name: str, config: CharacterConfig) -> Character:
    """Return the character of this name, made if there is none; for the inbox. The caller makes the folders.

    Raises:
        InvalidInputError: the name cannot be accepted.
        BusyError: it is being renamed at this moment.
    """
    wanted = character_name(name)
    found = find(session, wanted)
    if found is None:
        return _insert(session, wanted, config)
    refuse_while_renaming(found)
    return found


def make_folders(layout: Layout, name: str) -> None:
    """Make the folders that a person of this character looks for."""
    for folder in (layout.raw_audio(name), layout.inbox(name)):
        folder.mkdir(parents=True, exist_ok=True)


def find(session: Session, name: str) -> Character | None:
    """Return the character that has this name or is being renamed to it, if any."""
    query = select(Character).where((col(Character.name) == name) | (col(Character.renaming_to) == name))
    return session.exec(query).first()


def get(session: Session, name: str) -> Character:
    """Return the character of this name.

    Raises:
        NotFoundError: there is none.
    """
    normal = unicodedata.normalize("NFC", name)
    character = session.exec(select(Character).where(Character.name == normal)).one_or_none()
    if character is None:
        raise NotFoundError(f"character {name[:MAX_CHARACTERS]!r} does not exist")
    return character


def list_all(session: Session) -> Sequence[Character]:
    """Return all characters by name."""
    return session.exec(select(Character).order_by(col(Character.name))).all()


def default(session: Session) -> Character | None:
    """Return the default character, None when there are no characters."""
    return session.exec(select(Character).where(col(Character.is_default).is_(True))).first()


def set_default(database: Database, name: str) -> Character:
    """Make a character the one that requests without a name mean.

    Raises:
        NotFoundError: there is none of this name.
    """
    with database.write() as session:
        character = get(session, name)
        before = default(session)
        if before is not None:
            before.is_default = False
            session.add(before)
        character.is_default = True
        session.add(character)
        events.append(session, "character.default", character_id=character.id)
    return character


def set_config(session: Session, character: Character, config: CharacterConfig) -> bool:
    """Give a character another config; returns whether that changed anything."""
    wanted = config.model_dump()
    if character.config == wanted:
        return False
    character.config = wanted
    character.updated_at = now()
    session.add(character)
    events.append(session, "character.config", character_id=character.id, config=wanted)
    return True


def choose_new_default(session: Session) -> None:
    """Make the oldest character the default if there is none."""
    session.flush()
    oldest = session.exec(select(Character).order_by(col(Character.id))).first()
    if oldest is not None and default(session) is None:
        oldest.is_default = True
        session.add(oldest)
        events.append(session, "character.default", character_id=oldest.id)


def refuse_while_renaming(character: Character) -> None:
    """Stop here while a character's folders move.

    Raises:
        BusyError: they do.
    """
    if character.renaming_to is not None:
        raise BusyError(f"character {character.name!r} is being renamed; try again in a few seconds")


def running_job(session: Session, character: Character) -> Job | None:
    """Return the job of this character that a worker has in hand, if any."""
    query = select(Job).where(Job.character_id == character.id, Job.status == Status.RUNNING)
    return session.exec(query).first()


def daemon_alive(session: Session) -> bool:
    """Return whether a daemon has shown itself lately."""
    state = session.get(ServiceState, DAEMON_STATE)
    return state is not None and now() - state.updated_at < DAEMON_ALIVE


def _insert(session: Session, name: str, config: CharacterConfig) -> Character:
    character = Character(name=name, config=config.model_dump(), is_default=default(session) is None)
    session.add(character)
    session.flush()
    events.append(session, "character.created", character_id=character.id, name=name)
    return character
