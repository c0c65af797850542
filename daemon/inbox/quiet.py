"""Queue processing for a character when nothing has happened in its folders for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlmodel import Session, col, or_, select

from daemon import queue, staleness
from daemon.database import Database
from daemon.settings import Settings
from daemon.tables import AudioFile, Character, Origin, TranscriptEdit
from pipeline.steps import JobKind

logger = logging.getLogger(__name__)

MIN_PAUSE_S = 1.0


class Quiet:
    """Remembers which characters changed, and when each was last stirred."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], float], enqueue: Callable[[int], object]
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._enqueue = enqueue
        self._stirred: dict[int, float] = {}

    def stir(self, character_id: int) -> None:
        """Note that something of a character was taken or changed just now."""
        if self._settings.training.auto_process:
            self._stirred[character_id] = self._clock()

    def postpone(self, character_id: int) -> None:
        """Note that its folder is not quiet; does nothing for a character with nothing to process."""
        if character_id in self._stirred:
            self._stirred[character_id] = self._clock()

    def recall(self) -> None:
        """Find, after a start, the characters of which something was taken that no processing has seen."""
        with self._database.read() as session:
            for character in session.exec(select(Character)).all():
                if character.id is not None and _unseen(session, character):
                    self.stir(character.id)

    def settle(self) -> None:
        """Queue what has been quiet for long enough."""
        due = self._clock() - self._settings.inbox.quiet_seconds
        for character_id in [each for each, since in self._stirred.items() if since <= due]:
            with self._database.read() as session:
                character = session.get(Character, character_id)
                busy = character is not None and queue.active(session, character_id) is not None
                wanted = character is not None and not busy and self._is_stale(session, character)
            if busy:  # asked again when that job has ended: it may or may not have seen the change
                pause = max(MIN_PAUSE_S, self._settings.inbox.quiet_seconds)
                self._stirred[character_id] = self._clock() - self._settings.inbox.quiet_seconds + pause
                continue
            if wanted:
                self._enqueue(character_id)
            del self._stirred[character_id]

    def waiting(self) -> int:
        """Return how many characters wait to be quiet."""
        return len(self._stirred)

    def _is_stale(self, session: Session, character: Character) -> bool:
        has_audio = session.exec(select(AudioFile.id).where(AudioFile.character_id == character.id).limit(1)).first()
        return has_audio is not None and not staleness.is_complete(session, self._settings, character, JobKind.PROCESS)


def _unseen(session: Session, character: Character) -> bool:
    job = staleness.newest_job(session, character, JobKind.PROCESS)
    taken = select(AudioFile.id).where(AudioFile.character_id == character.id, AudioFile.origin != Origin.API)
    edited = select(TranscriptEdit.id).where(TranscriptEdit.character_id == character.id)
    if job is not None:
        seen = job.created_at
        taken = taken.where(or_(col(AudioFile.created_at) > seen, col(AudioFile.modified_at) > seen))
        edited = edited.where(col(TranscriptEdit.updated_at) > seen)
    return any(session.exec(query.limit(1)).first() is not None for query in (taken, edited))
