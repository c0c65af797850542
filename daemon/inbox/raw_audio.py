"""Notice what a person puts into, takes out of or changes in `raw_audio/`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlmodel import Session, select

from daemon import recordings
from daemon.database import Database
from daemon.inbox.examine import Examiner
from daemon.inbox.filters import FileKind, kind_of
from daemon.inbox.judge import judge
from daemon.inbox.reading import Outcome, Reading, read
from daemon.inbox.stability import Settled, StabilityTracker
from daemon.layout import Layout
from daemon.recordings import RecordingFacts
from daemon.settings import Settings
from daemon.tables import AudioFile, Character, Origin

logger = logging.getLogger(__name__)

MISSING = -1
"""The size under which a recording without a file is tracked."""
BATCH = 200
RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class _Place:
    character_id: int
    character: str
    filename: str


class RawAudio:
    """Compares rows of AudioFile with the folders behind them."""

    def __init__(
        self, database: Database, layout: Layout, settings: Settings, clock: Callable[[], float], examiner: Examiner
    ) -> None:
        self._database = database
        self._layout = layout
        self._settings = settings
        self._examiner = examiner
        self.tracker = StabilityTracker(settings.inbox.settle_seconds, clock)
        self._places: dict[str, _Place] = {}
        self._unusable: dict[str, tuple[int, int, str]] = {}

    @property
    def unusable(self) -> dict[str, str]:
        """Files put there by hand that are no usable recordings, with the reason."""
        return {path: reason for path, (_, _, reason) in self._unusable.items()}

    def look(self, character_id: int, name: str) -> None:
        """Compare one character's folder with the rows, and track what differs until it has come to rest.

        Raises:
            OSError: the folder is missing or cannot be read; nothing is concluded from that.
        """
        with self._database.read() as session:
            columns = select(AudioFile.filename, AudioFile.size_bytes, AudioFile.mtime_ns)
            rows = session.exec(columns.where(AudioFile.character_id == character_id)).all()
        expected = {filename: (size, mtime) for filename, size, mtime in rows}
        folder = self._layout.raw_audio(name)
        found = _listing(folder, required=bool(expected))
        for filename in expected.keys() | found.keys():
            path = f"{folder}/{filename}"
            seen = found.get(filename)
            if seen == expected.get(filename):
                self.tracker.forget(path)
            elif seen is None:
                self._track(path, _Place(character_id, name, filename), (MISSING, 0))
            elif self._unusable.get(path, ())[:2] != seen:
                self._track(path, _Place(character_id, name, filename), seen)
        present = {f"{folder}/{filename}" for filename in found}
        for path in [path for path in self._unusable if path.startswith(f"{folder}/") and path not in present]:
            del self._unusable[path]

    def settle(self) -> set[int]:
        """Record what has come to rest, a bounded number at once, and return the characters that changed.

        Raises:
            ServiceError: the database is busy or full; asked again at the next call.
            Stopped: the service stops.
        """
        due = list(islice(self.tracker.due(), BATCH))
        changed = set()
        for each in due:
            owner = self._places[each.path].character_id
            if self._finish_missing(each):
                changed.add(owner)
        present = [each for each in due if each.size_bytes != MISSING]
        if not present:
            return changed
        readings = judge([read(each) for each in present], self._settings.inbox, self._examiner, set())
        with self._database.write() as session:
            for reading in readings:
                place = self._places[reading.settled.path]
                if self._record(session, place, reading):
                    changed.add(place.character_id)
        for reading in readings:
            self._let_go(reading)
        return changed

    def _track(self, path: str, place: _Place, seen: tuple[int, int]) -> None:
        try:
            place.filename.encode("utf-8")
        except UnicodeEncodeError:
            self._unusable[path] = (*seen, "the name is not UTF-8; rename the file")
            return
        self._places[path] = place
        self.tracker.observe(path, *seen)

    def _finish_missing(self, settled: Settled) -> bool:
        if settled.size_bytes != MISSING:
            return False
        place = self._places[settled.path]
        with self._database.write() as session:
            row = _row(session, place)
            gone = row is not None and not os.path.lexists(settled.path) and Path(settled.path).parent.is_dir()
            if row is not None and gone:
                recordings.remove(session, row)
                logger.info("recording %r of %s was taken away by hand", place.filename, place.character)
        self._drop(settled.path)
        return gone

    def _record(self, session: Session, place: _Place, reading: Reading) -> bool:
        """Write down one file; returns whether it is new or other bytes."""
        if reading.outcome is not Outcome.READ or not _is_current(session, place):
            return False
        row = _row(session, place)
        settled = reading.settled
        if row is not None and row.sha256 == reading.sha256:
            row.size_bytes, row.mtime_ns = settled.size_bytes, settled.mtime_ns  # only touched: costs nothing
            session.add(row)
            return False
        facts = RecordingFacts(
            filename=place.filename,
            sha256=reading.sha256,
            size_bytes=settled.size_bytes,
            mtime_ns=settled.mtime_ns,
            duration_s=reading.facts.duration_s,
            sample_rate_hz=reading.facts.sample_rate_hz,
            origin=Origin.MANUAL,
            transcript_text=row.transcript_text if row else None,
            transcript_language=row.transcript_language if row else None,
        )
        if row is None:
            recordings.add(session, session.get_one(Character, place.character_id), facts)
        else:
            recordings.replace(session, row, facts)
        logger.info("recording %r of %s was %s by hand", place.filename, place.character, "changed" if row else "added")
        return True

    def _let_go(self, reading: Reading) -> None:
        path = reading.settled.path
        match reading.outcome:
            case Outcome.READ | Outcome.GONE:
                self._drop(path)
            case Outcome.REJECTED:
                self._unusable[path] = (reading.settled.size_bytes, reading.settled.mtime_ns, reading.reason)
                logger.warning("%s is not used: %s", path, reading.reason)
                self._drop(path)
            case Outcome.CHANGED:
                with suppress(OSError):  # gone meanwhile: the next look at the folder finds out
                    status = os.lstat(path)
                    self.tracker.observe(path, status.st_size, status.st_mtime_ns)
            case _:
                self.tracker.defer(path, RETRY_S, reading.reason)

    def _drop(self, path: str) -> None:
        self.tracker.forget(path)
        self._places.pop(path, None)


def _is_current(session: Session, place: _Place) -> bool:
    character = session.get(Character, place.character_id)
    return character is not None and character.name == place.character and character.renaming_to is None


def _row(session: Session, place: _Place) -> AudioFile | None:
    if not _is_current(session, place):
        return None
    return recordings.find(session, session.get_one(Character, place.character_id), place.filename)


def _listing(folder: Path, *, required: bool) -> dict[str, tuple[int, int]]:
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if kind_of((entry.name,)) is FileKind.AUDIO and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.name] = (status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        if required:
            raise
    return found
