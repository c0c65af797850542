"""Hear of changes in the inbox. Events are hints only: they shorten the wait until the next reconcile."""

from __future__ import annotations

import logging
import os
from collections import deque
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from daemon.settings import WatchMode

logger = logging.getLogger(__name__)

POLL_S = 5.0
REMOTE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs", "afs"})
"""File systems on which other machines write without the kernel here hearing of it."""
IGNORED_EVENTS = frozenset({"opened", "closed_no_write"})
"""Reading a file makes these; heeding them would keep the inbox busy with itself."""


class _Handler(FileSystemEventHandler):
    """Notes paths and does nothing else: an error or a wait here would end all events."""

    def __init__(self) -> None:
        self.files: deque[str] = deque()
        self.folders_changed = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        try:
            if event.event_type in IGNORED_EVENTS:
                return
            if event.is_directory and event.event_type in {"created", "moved", "deleted"}:
                self.folders_changed = True
            elif not event.is_directory:
                for path in (event.src_path, event.dest_path):
                    if path:
                        self.files.append(os.fsdecode(path))
        except Exception:  # the boundary of a foreign thread that would die of it
            self.folders_changed = True


class Watcher:
    """Watches one folder tree, and is rebuilt when it has died or the tree was replaced."""

    def __init__(self, root: Path, mode: WatchMode) -> None:
        self._root = root
        self._mode = mode
        self._observer: Any = None
        self._handler = _Handler()
        self._identity: tuple[int, int] | None = None
        self.kind = WatchMode.OFF

    def start(self) -> None:
        """Begin to watch; what fails is logged and tried again by `mend`."""
        self.kind = _chosen(self._root, self._mode)
        if self.kind is WatchMode.OFF:
            return
        observer = PollingObserver(timeout=POLL_S) if self.kind is WatchMode.POLLING else Observer()
        try:
            observer.schedule(self._handler, str(self._root), recursive=True)
            observer.start()
        except (OSError, RuntimeError) as error:
            logger.warning("the inbox cannot be watched (%s); it is looked through now and then instead", error)
            self.kind = WatchMode.OFF
            return
        self._observer, self._identity = observer, _identity(self._root)

    def stop(self) -> None:
        """End; events that are still on their way are lost, which costs nothing."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(timeout=5)

    @property
    def healthy(self) -> bool:
        """Whether events still come: all threads live and the folder is the same one. Without a watcher: yes."""
        if self.kind is WatchMode.OFF:
            return True
        observer = self._observer
        alive = observer is not None and observer.is_alive() and all(e.is_alive() for e in observer.emitters)
        return alive and _identity(self._root) == self._identity

    @property
    def failed(self) -> bool:
        """Whether there should be a watcher and it could not be started."""
        return self.kind is WatchMode.OFF and self._mode is not WatchMode.OFF

    def mend(self) -> None:
        """Watch anew: after a death, and after a folder came in, whose insides are not watched otherwise."""
        self.stop()
        if self._root.is_dir():
            self.start()

    def drain(self) -> tuple[set[str], bool]:
        """Return the files that events named since the last call, and whether folders came, moved or went."""
        handler, files = self._handler, set()
        while handler.files:
            files.add(handler.files.popleft())
        changed, handler.folders_changed = handler.folders_changed, False
        return files, changed


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _chosen(root: Path, mode: WatchMode) -> WatchMode:
    if mode is not WatchMode.AUTO:
        return mode
    return WatchMode.POLLING if _is_remote(file_system_of(root)) else WatchMode.NATIVE


def _is_remote(kind: str) -> bool:
    return kind in REMOTE_SYSTEMS or kind.startswith("fuse")


def file_system_of(path: Path) -> str:
    """Return the type of the file system that holds a path, or an empty text where the system does not tell."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    best, kind = "", ""
    place = str(path.resolve())
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        mount = left.split(" ")[4].encode().decode("unicode_escape", "replace")
        if (place == mount or place.startswith(mount.rstrip("/") + "/")) and len(mount) >= len(best):
            best, kind = mount, right.split(" ")[0]
    return kind
