"""Look after what lies in the work directory: recordings, hand-edited lists and the results of the steps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from sqlmodel import col, select

from daemon.database import Database
from daemon.inbox.examine import Examiner
from daemon.inbox.outputs import check_outputs
from daemon.inbox.raw_audio import RawAudio
from daemon.inbox.stability import StabilityTracker
from daemon.inbox.transcripts import Transcripts
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Character

logger = logging.getLogger(__name__)

LATER_S = 2.0


class Works:
    """Compares the characters' folders with the database; a glance costs two `stat` calls for each character."""

    def __init__(
        self, database: Database, layout: Layout, settings: Settings, clock: Callable[[], float], examiner: Examiner
    ) -> None:
        self._database = database
        self._layout = layout
        self.raw = RawAudio(database, layout, settings, clock, examiner)
        self.lists = StabilityTracker(settings.inbox.settle_seconds, clock)
        self.transcripts = Transcripts(database, layout)
        self._list_owner: dict[str, int] = {}
        self._marks: dict[tuple[int, str], tuple[object, object]] = {}
        self.unreadable: dict[str, str] = {}

    def characters(self) -> dict[str, int]:
        """Return id by name of all characters that are not being renamed."""
        with self._database.read() as session:
            query = select(Character.name, Character.id).where(col(Character.renaming_to).is_(None))
            return {name: number for name, number in session.exec(query).all() if number is not None}

    def glance(self, known: dict[str, int], *, thorough: bool = False) -> None:
        """Track what looks different from last time; thorough: look at every recording as well."""
        self._marks = {key: mark for key, mark in self._marks.items() if known.get(key[1]) == key[0]}
        for name, number in known.items():
            raw = self._layout.raw_audio(name)
            listing = self._layout.transcript_list(name)
            before = self._marks.get((number, name), (None, None))
            now = (_mark(raw), _mark(listing))
            if thorough or now[0] != before[0]:
                self._look_at_recordings(number, name)
            if now[1] is not None and (thorough or now[1] != before[1]):
                self._list_owner[str(listing)] = number
                self.lists.observe(str(listing), *now[1])
            self._marks[number, name] = now

    def check_outputs(self, known: dict[str, int]) -> set[int]:
        """Forget results that are gone from the disk and return the characters that lost some."""
        lost = set()
        for name, number in known.items():
            try:
                if check_outputs(self._database, self._layout, number):
                    lost.add(number)
            except OSError as error:
                self._complain(Path(error.filename or self._layout.character(name)), error)
        return lost

    def settle(self) -> set[int]:
        """Record what has come to rest and return the characters that changed."""
        changed = self.raw.settle()
        for settled in self.lists.due():
            number = self._list_owner[settled.path]
            try:
                edited = self.transcripts.take_edits(number)
            except OSError as error:
                self._complain(Path(settled.path), error)
                edited = False
            if edited is None:
                self.lists.defer(settled.path, LATER_S, "waits for the job that writes it")
                continue
            self.lists.forget(settled.path)
            if edited:
                changed.add(number)
        return changed

    def _look_at_recordings(self, number: int, name: str) -> None:
        folder = self._layout.raw_audio(name)
        try:
            self.raw.look(number, name)
            self.unreadable.pop(str(folder), None)
        except OSError as error:
            self._complain(folder, error)

    def _complain(self, path: Path, error: OSError) -> None:
        sentence = f"cannot be read: {error.strerror}; nothing is concluded from that"
        if self.unreadable.get(str(path)) != sentence:
            logger.error("%s %s", path, sentence)
        self.unreadable[str(path)] = sentence


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
