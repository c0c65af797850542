"""The inbox as the service sees it: started, ticked, stopped, and able to say what it is doing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from daemon.database import Database
from daemon.errors import InvalidInputError
from daemon.inbox.arrivals import Arrivals
from daemon.inbox.examine import Examiner, Stopped
from daemon.inbox.quiet import Quiet
from daemon.inbox.reject import rejected_files
from daemon.inbox.scan import look, walk
from daemon.inbox.watch import Watcher
from daemon.inbox.works import Works
from daemon.layout import Layout
from daemon.names import character_name
from daemon.settings import Settings, WatchMode

logger = logging.getLogger(__name__)

GLANCE_S = 2.0
MEND_S = 60.0
SHOWN = 200
"""Entries of each kind that `describe` names; it is written to the database with every heartbeat."""
STOP_WAIT_S = 10.0


class Inbox:
    """Turns dropped files into recordings. Events only make it quicker: `reconcile` is what finds everything."""

    def __init__(
        self,
        database: Database,
        layout: Layout,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        enqueue: Callable[[int], object],
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        examiner = Examiner(self._stop)
        self._arrivals = Arrivals(database, layout, settings, clock, self._stop, examiner)
        self._works = Works(database, layout, settings, clock, examiner)
        self._quiet = Quiet(database, settings, clock, enqueue)
        self._watcher = Watcher(layout.inbox_dir, settings.inbox.watch)
        self._turn = threading.Lock()
        self._legal: set[str] = set()
        self._recalled: set[str] = set()
        self._new_since: dict[str, float] = {}
        self._wanted = False
        self._next_reconcile = self._next_glance = self._next_mend = float("-inf")
        self._unreadable: dict[str, str] = {}
        self._left_alone: dict[str, dict[str, str]] = {}
        self._rejected: dict[str, str] = {}
        self._seen_rejections = 0
        self._report: dict[str, Any] = {}

    def start(self) -> None:
        """Begin to watch and compare disk and database for the first time."""
        self._layout.inbox_dir.mkdir(parents=True, exist_ok=True)
        self._watcher.start()
        self._next_mend = self._clock() + MEND_S
        with self._turn:
            self._arrivals.folders.load()
            self._reconcile()
            self._quiet.recall()
            self._report = self._described()

    def stop(self) -> None:
        """End; what is in hand is finished or left as it was."""
        self._stop.set()
        self._watcher.stop()
        if self._turn.acquire(timeout=STOP_WAIT_S):
            self._turn.release()
        self._arrivals.close()

    def tick(self) -> None:
        """Do what is due. Nearly free when nothing is.

        Raises:
            ServiceError: the database is busy or full; the next tick tries again.
        """
        if self._stop.is_set() or not self._turn.acquire(blocking=False):
            return
        try:
            self._heed_events()
            self._compare_when_due()
            self._settle()
        except Stopped:
            return
        finally:
            self._report = self._described()
            self._turn.release()

    def reconcile(self) -> None:
        """Compare everything on the disk with the database now.

        Raises:
            ServiceError: the database is busy or full.
        """
        with self._turn:
            self._next_reconcile = float("-inf")
            self._reconcile()
            self._report = self._described()

    @property
    def healthy(self) -> bool:
        """Whether the watcher, if there is one, still hears of changes."""
        return self._watcher.healthy

    def describe(self) -> dict[str, Any]:
        """Return what is going on, as plain values."""
        return self._report

    def _heed_events(self) -> None:
        if not self._watcher.healthy or (self._watcher.failed and self._clock() >= self._next_mend):
            logger.warning("the inbox is watched anew")
            self._next_mend = self._clock() + MEND_S
            self._layout.inbox_dir.mkdir(parents=True, exist_ok=True)
            self._watcher.mend()
            self._wanted = True
        files, folders_changed = self._watcher.drain()
        if folders_changed:
            self._wanted = True
            if self._watcher.kind is WatchMode.NATIVE:
                self._watcher.mend()  # the insides of a folder that was moved in are not watched otherwise
        root = str(self._layout.inbox_dir)
        for path in files:
            entry = look(root, path)
            if entry is None:
                self._arrivals.tracker.forget(path)
                self._wanted |= path.rpartition("/")[0] == root  # a recording beside the folders, come or gone
            elif entry.folder in self._legal:
                self._arrivals.observe(entry, event=True)
            else:
                self._wanted = True

    def _compare_when_due(self) -> None:
        now = self._clock()
        if self._wanted or now >= self._next_reconcile:
            self._reconcile()
        elif now >= self._next_glance:
            self._next_glance = now + GLANCE_S
            self._works.glance(self._works.characters())

    def _reconcile(self) -> None:
        self._wanted = False
        thorough = self._clock() >= self._next_reconcile
        self._look_through_inbox()
        known = self._works.characters()
        self._works.glance(known, thorough=thorough)
        if thorough:
            for number in self._works.check_outputs(known):
                self._quiet.stir(number)
            self._next_reconcile = self._clock() + self._settings.inbox.reconcile_seconds
        self._next_glance = self._clock() + GLANCE_S

    def _look_through_inbox(self) -> None:
        self._unreadable = {}
        try:
            names = self._arrivals.folders.names()
        except OSError as error:
            self._unreadable[str(self._layout.inbox_dir)] = f"cannot be read: {error.strerror}"
            return
        self._legal = set(names)
        self._arrivals.folders.forget_missing(self._legal)
        present: set[str] = set()
        for name in names:
            present |= self._look_through(name)
        self._arrivals.forget_missing(str(self._layout.inbox_dir), present)
        self._left_alone = {name: found for name, found in self._left_alone.items() if name in self._legal}
        self._recalled &= self._legal
        self._new_since = {
            name: self._new_since.get(name, self._clock()) for name in names if self._arrivals.folders.is_new(name)
        }
        self._find_rejected()

    def _look_through(self, name: str) -> set[str]:
        found = walk(str(self._layout.inbox_dir), name)
        self._unreadable |= found.unreadable
        self._left_alone[name] = found.left_alone
        if name not in self._recalled:
            self._recalled.add(name)
            self._arrivals.recall_kept(name, found.entries)
        for entry in found.entries:
            self._arrivals.observe(entry)
        return {entry.path for entry in found.entries}

    def _settle(self) -> None:
        while self._arrivals.settle() and not self._stop.is_set():
            self._report = self._described()
        self._make_characters()
        changed = self._works.settle() | self._arrivals.changed
        self._arrivals.changed = set()
        for number in changed:
            self._quiet.stir(number)
        if self._quiet.waiting():
            known = self._works.characters()
            for folder in self._arrivals.busy_folders():
                self._postpone(folder, known)
            self._quiet.settle()
        if self._arrivals.rejections != self._seen_rejections:
            self._find_rejected()

    def _make_characters(self) -> None:
        rested = self._clock() - self._settings.inbox.settle_seconds
        for name in [name for name, since in self._new_since.items() if since <= rested]:
            del self._new_since[name]
            if self._arrivals.folders.is_new(name) and self._layout.inbox(name).is_dir():
                self._arrivals.folders.make(name)

    def _postpone(self, folder: str, known: Mapping[str, int]) -> None:
        try:
            number = known.get(character_name(folder))
        except InvalidInputError:
            return
        if number is not None:
            self._quiet.postpone(number)

    def _find_rejected(self) -> None:
        self._seen_rejections = self._arrivals.rejections
        self._rejected = {
            f"{name}/{path}": reason
            for name in sorted(self._legal)
            for path, reason in rejected_files(self._layout.inbox(name)).items()
        }

    def _described(self) -> dict[str, Any]:
        arrivals, works = self._arrivals, self._works
        left_alone = {path: reason for found in self._left_alone.values() for path, reason in found.items()}
        return {
            "watcher": str(self._watcher.kind),
            "settling": _first({**arrivals.tracker.settling(), **works.raw.tracker.settling()}),
            "held": _first({**arrivals.tracker.held(), **works.raw.tracker.held(), **works.lists.held()}),
            "unreadable": _first({**self._unreadable, **works.unreadable}),
            "rejected": _first(self._rejected),
            "orphan_sidecars": _first(arrivals.orphans),
            "left_alone": _first({**arrivals.folders.loose, **left_alone}),
            "illegal_folders": _first(arrivals.folders.illegal),
            "unusable_recordings": _first(works.raw.unusable),
            "unreadable_lists": _first(works.transcripts.problems),
        }


def _first(entries: Mapping[str, str]) -> dict[str, str]:
    """Return some of the entries, in text that any terminal and database can hold."""
    shown = islice(sorted(entries.items()), SHOWN)
    return {path.encode("utf-8", "backslashreplace").decode(): reason for path, reason in shown}
