"""Take the files of the inbox that have come to rest: recordings, configs and transcripts."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice

from sqlmodel import Session

from daemon import characters, events
from daemon.database import Database
from daemon.errors import InvalidInputError, ServiceError
from daemon.inbox import memory
from daemon.inbox.examine import Examiner
from daemon.inbox.filters import FileKind, kind_of
from daemon.inbox.folders import Folders
from daemon.inbox.judge import judge
from daemon.inbox.reading import Outcome, Reading, read
from daemon.inbox.reject import forget_reason, reject
from daemon.inbox.scan import Entry, look
from daemon.inbox.sidecars import Sidecars
from daemon.inbox.stability import PATIENCE, Settled, StabilityTracker
from daemon.inbox.store import Found, Storage
from daemon.layout import REJECTED, Layout
from daemon.names import AUDIO_EXTENSIONS, character_name
from daemon.settings import InboxMode, Settings

logger = logging.getLogger(__name__)

BATCH = 500
"""Recordings in one transaction; the next ones are read meanwhile."""
AT_ONCE = 8 * BATCH
READERS = 2
RETRY_S = 10.0
HELD_S = 1.0
NOT_AUDIO = (
    f"the file is not audio of an accepted kind ({' '.join(sorted(each[1:] for each in AUDIO_EXTENSIONS))}); "
    "convert it, or take it out of the inbox"
)
Mark = tuple[int, int]


class Arrivals:
    """Knows every file in the inbox that is not dealt with yet, and deals with those that have come to rest."""

    def __init__(
        self,
        database: Database,
        layout: Layout,
        settings: Settings,
        clock: Callable[[], float],
        stop: threading.Event,
        examiner: Examiner,
    ) -> None:
        self._database, self._layout, self._settings = database, layout, settings
        self._stop = stop
        self._examiner = examiner
        self.folders = Folders(database, layout, settings)
        self.tracker = StabilityTracker(settings.inbox.settle_seconds, clock)
        self._storage = Storage(database, layout, settings)
        self._keep = settings.inbox.mode is InboxMode.KEEP
        self._sidecars = Sidecars(database, layout, keep=self._keep)
        self._resting: dict[str, Mark] = {}
        """Files that stay where they are and were dealt with as they look now."""
        self.orphans: dict[str, str] = {}
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="inbox-reader")
        self.rejections = 0
        self.changed: set[int] = set()
        """Characters of which something was taken since the caller looked last."""

    def close(self) -> None:
        """End the reading threads."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def observe(self, entry: Entry, *, event: bool = False) -> None:
        """Note a file of the inbox; one that was dealt with as it is costs nothing."""
        mark = (entry.size_bytes, entry.mtime_ns)
        if self._resting.get(entry.path) == mark:
            return
        if kind_of(entry.parts) is FileKind.LITTER:
            return
        self._resting.pop(entry.path, None)
        self.orphans.pop(entry.path, None)
        self.tracker.observe(entry.path, *mark, event=event)

    def recall_kept(self, folder: str, entries: Iterable[Entry]) -> None:
        """Remember what an earlier run made of the files that stay in a folder."""
        with self._database.read() as session:
            character = characters.find(session, character_name(folder))
            kept = memory.load(session, character).kept if character is not None else {}
        for entry in entries:
            mark = (entry.size_bytes, entry.mtime_ns)
            applied = kind_of(entry.parts) is FileKind.CONFIG and self.folders.is_applied(entry)
            if applied or tuple(kept.get(entry.relative, ())[:2]) == mark:
                self._resting[entry.path] = mark

    def forget_missing(self, prefix: str, present: set[str]) -> None:
        """Forget files below a path that are not there any more."""
        for path in self.tracker.under(prefix):
            if path not in present:
                self.tracker.forget(path)
        for known in (self._resting, self.orphans):
            for path in [path for path in known if path.startswith(prefix) and path not in present]:
                del known[path]  # type: ignore[attr-defined]

    def settle(self) -> bool:
        """Deal with a bounded number of files that have come to rest; returns whether there may be more.

        Raises:
            ServiceError: the database is busy or full; nothing is lost, and the files are asked again.
            Stopped: the service stops.
        """
        due = list(islice(self.tracker.due(), AT_ONCE))
        entries = [entry for entry in map(self._entry, due) if entry is not None]
        settled = {each.path: each for each in due}
        order = {FileKind.CONFIG: 0, FileKind.AUDIO: 1}
        entries.sort(key=lambda e: (e.folder, order.get(kind_of(e.parts), 2)))
        for (folder, rank), group in groupby(entries, key=lambda e: (e.folder, order.get(kind_of(e.parts), 2))):
            files = list(group)
            try:
                if rank == 1:
                    self._take_audio(folder, files, settled)
                else:
                    for entry in files:
                        self._take_other(entry)
            except ServiceError as error:
                for entry in files:
                    self.tracker.defer(entry.path, RETRY_S, str(error))
        return len(due) == AT_ONCE and not self._stop.is_set()

    def _entry(self, settled: Settled) -> Entry | None:
        entry = look(str(self._layout.inbox_dir), settled.path)
        if entry is None:
            self.tracker.forget(settled.path)
            return None
        if (entry.size_bytes, entry.mtime_ns) != (settled.size_bytes, settled.mtime_ns):
            self.tracker.observe(entry.path, entry.size_bytes, entry.mtime_ns)
            return None
        return entry

    def _take_audio(self, folder: str, entries: Sequence[Entry], settled: dict[str, Settled]) -> None:
        entries = self._with_room(entries)
        by_path = {entry.path: entry for entry in entries}
        results = self._readers.map(read, [settled[entry.path] for entry in entries])
        while (readings := list(islice(results, BATCH))) and not self._stop.is_set():
            known = self._storage.known_hashes(folder, [each.sha256 for each in readings if each.sha256])
            good: list[Found] = []
            for reading in judge(readings, self._settings.inbox, self._examiner, known):
                entry = by_path[reading.settled.path]
                if reading.outcome is Outcome.READ:
                    good.append(Found(entry, reading))
                else:
                    self._not_taken(entry, reading)
            if good:
                self._store(folder, good)

    def _with_room(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the files that fit on the disk; the others are tried again."""
        left = shutil.disk_usage(self._layout.work_dir).free - self._settings.inbox.free_bytes_reserve
        fitting = []
        for entry in entries:
            needed = entry.size_bytes if self._keep else 0
            if left < needed:
                self.tracker.defer(entry.path, RETRY_S, "waits for room on the disk of the work directory")
            else:
                left -= needed
                fitting.append(entry)
        if len(fitting) < len(entries):
            logger.warning("the disk of %s is nearly full: recordings wait in the inbox", self._layout.work_dir)
        return fitting

    def _store(self, folder: str, good: Sequence[Found]) -> None:
        stored = self._storage.store(folder, good)
        self.folders.note(folder)
        rejected = (self._layout.inbox(folder) / REJECTED).is_dir()
        for entry in (*stored.taken, *stored.duplicates):
            self._done(entry)
            if rejected:
                forget_reason(self._layout.inbox(folder), entry.parts)
        for path, reason in stored.held.items():
            self.tracker.defer(path, HELD_S, reason)
        if stored.taken:
            logger.info("took %d recordings of %s", len(stored.taken), folder)
            self.changed.add(stored.character_id)
            self._wake_orphans(folder)

    def _wake_orphans(self, folder: str) -> None:
        root = str(self._layout.inbox_dir)
        for path in [path for path in self.orphans if path.startswith(f"{root}/{folder}/")]:
            del self.orphans[path]
            self._resting.pop(path, None)
            entry = look(root, path)
            if entry is not None:
                self.tracker.observe(path, entry.size_bytes, entry.mtime_ns)
                self.tracker.defer(path, 0.0, "its recording has come", held=False)

    def _not_taken(self, entry: Entry, reading: Reading) -> None:
        match reading.outcome:
            case Outcome.REJECTED:
                self._reject(entry, reading.reason)
            case Outcome.GROWING:
                rest = self._settings.inbox.settle_seconds
                self.tracker.defer(entry.path, rest * (PATIENCE / 4), reading.reason, held=False)
            case Outcome.HELD:
                self.tracker.defer(entry.path, RETRY_S, reading.reason)
            case _:
                now = look(str(self._layout.inbox_dir), entry.path)
                if now is None:
                    self.tracker.forget(entry.path)
                else:
                    self.tracker.observe(now.path, now.size_bytes, now.mtime_ns, event=True)

    def _take_other(self, entry: Entry) -> None:
        try:
            match kind_of(entry.parts):
                case FileKind.CONFIG:
                    self._take_config(entry)
                case FileKind.TEXT | FileKind.LIST:
                    self._take_sidecar(entry)
                case _:
                    self._reject(entry, NOT_AUDIO)
        except FileNotFoundError:
            self.tracker.forget(entry.path)
        except OSError as error:
            self.tracker.defer(entry.path, RETRY_S, f"cannot be read or moved: {error.strerror}")

    def _take_config(self, entry: Entry) -> None:
        if not self.folders.is_applied(entry):
            try:
                self.changed.add(self.folders.apply_config(entry))
            except InvalidInputError as error:
                self._reject(entry, str(error))
                return
        self._rest(entry)

    def _take_sidecar(self, entry: Entry) -> None:
        applied = self._sidecars.apply(entry)
        if applied.changed:
            self.changed.add(applied.character_id)
        match applied.outcome:
            case Outcome.READ:
                self._done(entry)
            case Outcome.GROWING:
                self._rest(entry)
                self.orphans[entry.path] = applied.reason
            case _:
                self._reject(entry, applied.reason)

    def _reject(self, entry: Entry, reason: str) -> None:
        self.rejections += 1
        folder = self._layout.inbox(entry.folder)
        if not self._keep:
            try:
                reject(folder, entry.parts, reason)
            except FileNotFoundError:
                self.tracker.forget(entry.path)
                return
            except OSError as error:
                self.tracker.defer(entry.path, RETRY_S, f"{reason} (and it cannot be put aside: {error.strerror})")
                return
            self.tracker.forget(entry.path)
        with self._database.write() as session:
            character = characters.find(session, character_name(entry.folder))
            events.append(
                session,
                "audio.rejected",
                character_id=character.id if character else None,
                filename=entry.relative,
                reason=reason,
            )
            if self._keep:
                self._keep_in_mind(session, entry, reason)
        if self._keep:
            logger.warning("%s is not used: %s", entry.path, reason)
            self._rest(entry)

    def _keep_in_mind(self, session: Session, entry: Entry, reason: str) -> None:
        character = characters.find(session, character_name(entry.folder))
        if character is not None:
            remembered = memory.load(session, character)
            remembered.kept[entry.relative] = [entry.size_bytes, entry.mtime_ns, reason]
            memory.save(session, remembered)

    def _done(self, entry: Entry) -> None:
        """A file was dealt with: it is gone, or it stays and is not asked again."""
        if os.path.lexists(entry.path):
            self._rest(entry)
        else:
            self.tracker.forget(entry.path)

    def _rest(self, entry: Entry) -> None:
        self.tracker.forget(entry.path)
        self._resting[entry.path] = (entry.size_bytes, entry.mtime_ns)

    def busy_folders(self) -> set[str]:
        """Return the folders with files that are not dealt with yet."""
        start = len(str(self._layout.inbox_dir)) + 1
        return {path[start:].partition("/")[0] for path in self.tracker.settling()}
