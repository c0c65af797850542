"""The recordings of a character: rows of AudioFile and the files in raw_audio/ behind them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, col, select

from daemon import characters, events
from daemon.aside import Aside
from daemon.database import Database
from daemon.errors import NotFoundError
from daemon.layout import Layout
from daemon.tables import AudioFile, Character, Origin, now

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFacts:
    """What is known about a recording that lies in raw_audio/."""

    filename: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    origin: Origin = Origin.INBOX
    transcript_text: str | None = None
    transcript_language: str | None = None


def add(session: Session, character: Character, facts: RecordingFacts) -> AudioFile:
    """Record a new file; its bytes are in place already."""
    assert character.id is not None
    row = AudioFile(character_id=character.id, **_columns(facts))
    session.add(row)
    events.append(session, "audio.added", character_id=character.id, filename=facts.filename, origin=facts.origin)
    return row


def replace(session: Session, row: AudioFile, facts: RecordingFacts) -> AudioFile:
    """Record that other bytes took the place of a recording under the same name."""
    for name, value in _columns(facts).items():
        setattr(row, name, value)
    row.modified_at = now()
    session.add(row)
    events.append(
        session, "audio.replaced", character_id=row.character_id, filename=facts.filename, origin=facts.origin
    )
    return row


def set_transcript(session: Session, row: AudioFile, text: str | None, language: str | None) -> AudioFile:
    """Record the transcript that a person gave for a whole recording; None takes it away."""
    row.transcript_text, row.transcript_language = text, language
    session.add(row)
    events.append(session, "audio.transcript", character_id=row.character_id, filename=row.filename)
    return row


def remove(session: Session, row: AudioFile) -> None:
    """Forget a recording; its file is gone or about to go."""
    session.delete(row)
    events.append(session, "audio.removed", character_id=row.character_id, filename=row.filename)


def find(session: Session, character: Character, filename: str) -> AudioFile | None:
    """Return the recording with this name, if any."""
    query = select(AudioFile).where(AudioFile.character_id == character.id, AudioFile.filename == filename)
    return session.exec(query).one_or_none()


def find_by_hash(session: Session, character: Character, sha256: str) -> AudioFile | None:
    """Return a recording with these very bytes, if any."""
    query = select(AudioFile).where(AudioFile.character_id == character.id, AudioFile.sha256 == sha256)
    return session.exec(query.order_by(col(AudioFile.id))).first()


def listing(session: Session, character: Character) -> Sequence[AudioFile]:
    """Return all recordings of a character, by file name."""
    query = select(AudioFile).where(AudioFile.character_id == character.id)
    return session.exec(query.order_by(col(AudioFile.filename))).all()


def delete_file(database: Database, layout: Layout, name: str, filename: str) -> None:
    """Delete one recording, its row and its file.

    The file leaves raw_audio/ inside the transaction, so that a look at the folder never takes it for a new one.
    A transcript beside it goes as well.

    Raises:
        NotFoundError: no such character or recording.
    """
    with Aside(layout) as aside, database.write() as session:
        character = characters.get(session, name)
        characters.refuse_while_renaming(character)
        row = find(session, character, filename)
        if row is None:
            raise NotFoundError(f"character {character.name!r} has no recording {filename!r}")
        remove(session, row)
        folder = layout.raw_audio(character.name)
        aside.take(folder / row.filename)
        aside.take(folder / f"{row.filename}.txt")
    logger.info("deleted recording %r of %s", filename, name)


def _columns(facts: RecordingFacts) -> dict[str, Any]:
    return {**asdict(facts), "origin": facts.origin.value}
