"""Checks of this machine: what is well, what is doubtful, what is wrong, and what to do about it.

Light checks run here; those that need the engine's libraries run in a process of their own (`python -m
pipeline.doctor`), because the daemon and its commands never load them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

import psutil
from sqlalchemy.exc import SQLAlchemyError

from daemon import dictionaries, keys, lock, migrate
from daemon.api_process import listen
from daemon.database import Database
from daemon.errors import ServiceError
from daemon.layout import Layout
from daemon.processes import module_command
from daemon.settings import Settings, as_environment

ENGINE_TIMEOUT_S = 300.0
ROOMY_BYTES = 5 * 10**9
"""A character with an hour of recordings and its checkpoints takes about this much."""
ROOMY_MEMORY_BYTES = 4 * 10**9
MOST_FOLDERS = 100_000
SHARED = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "ceph", "glusterfs")
"""File systems on which SQLite's write-ahead log or inotify does not work (SQLite, Write-Ahead Logging; inotify(7))."""


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    said: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield one finding after the other; the slow ones come last."""
    layout = Layout.of(settings)
    yield _python()
    yield _memory()
    yield _folder("work_dir", layout.work_dir, settings)
    yield _folder("inbox", layout.inbox_dir, settings)
    yield _file_system(layout)
    yield _inotify(layout)
    yield _database(layout)
    yield _dictionaries(layout)
    yield _port(settings, layout)
    yield _access(settings, layout)
    yield from _engine(settings)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(Level.OK, "python", f"{version} at {sys.executable}")


def _memory() -> Finding:
    total = int(psutil.virtual_memory().total)
    cores = len(os.sched_getaffinity(0))
    said = f"{total / 1e9:.1f} GB, {cores} processor cores"
    if total < ROOMY_MEMORY_BYTES:
        return Finding(Level.WARN, "memory", said, "training may run out of memory; keep batch_size small")
    return Finding(Level.OK, "memory", said)


def _folder(name: str, folder: Path, settings: Settings) -> Finding:
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"give user {_user()} the right to write there, or set paths.{name.removesuffix('_dir')}_dir"
        return Finding(Level.FAIL, name, f"{place} cannot be written", remedy)
    free = shutil.disk_usage(place).free
    said = f"{folder}, {free / 1e9:.1f} GB free"
    if free < settings.inbox.free_bytes_reserve:
        return Finding(Level.FAIL, name, said, "free some space: nothing is taken while the disk is this full")
    if free < ROOMY_BYTES:
        return Finding(Level.WARN, name, said, "free some space before training larger voices")
    return Finding(Level.OK, name, said)


def _file_system(layout: Layout) -> Finding:
    mounted = {each.mountpoint: each.fstype for each in psutil.disk_partitions(all=True)}
    kinds = [_kind_of(folder, mounted) for folder in (layout.work_dir, layout.inbox_dir)]
    said = f"work_dir on {kinds[0]}, inbox on {kinds[1]}"
    if _is_shared(kinds[0]):
        return Finding(Level.FAIL, "file system", said, "the database needs a local disk: set paths.work_dir to one")
    if _is_shared(kinds[1]):
        remedy = "changes made by other machines are found by polling: set inbox.watch to polling"
        return Finding(Level.WARN, "file system", said, remedy)
    return Finding(Level.OK, "file system", said)


def _kind_of(folder: Path, mounted: dict[str, str]) -> str:
    return next((mounted[str(each)] for each in (folder, *folder.parents) if str(each) in mounted), "unknown")


def _is_shared(kind: str) -> bool:
    return kind in SHARED or kind.startswith("fuse")


def _inotify(layout: Layout) -> Finding:
    limits = Path("/proc/sys/fs/inotify")
    try:
        watches = int((limits / "max_user_watches").read_text())
        instances = int((limits / "max_user_instances").read_text())
    except (OSError, ValueError):
        return Finding(Level.WARN, "inotify", "not available", "the inbox is polled instead")
    folders = 0
    if layout.inbox_dir.is_dir():
        folders = sum(1 for _ in islice(os.walk(layout.inbox_dir), MOST_FOLDERS))
    said = f"{folders} folders to watch, {watches} watches and {instances} instances allowed"
    if folders > watches // 2:
        return Finding(Level.WARN, "inotify", said, f"sysctl fs.inotify.max_user_watches={4 * max(folders, watches)}")
    if instances < 16:
        return Finding(Level.WARN, "inotify", said, "sysctl fs.inotify.max_user_instances=128")
    return Finding(Level.OK, "inotify", said)


def _database(layout: Layout) -> Finding:
    path = layout.database
    if not path.exists():
        return Finding(Level.OK, "database", "not there yet; made at the first start")
    try:
        database = Database(path)
        try:
            if not migrate.revision_matches(database):
                remedy = "start the service once: it brings an older database up to date"
                return Finding(Level.WARN, "database", f"{path} has another schema", remedy)
            with database.read() as session:
                verdict = session.connection().exec_driver_sql("PRAGMA quick_check").scalar()
        finally:
            database.close()
    except (ServiceError, OSError, SQLAlchemyError) as error:
        verdict = str(error).splitlines()[0]
    if verdict != "ok":
        remedy = "stop the service and put a copy of the file back, or move it away: the recordings are taken in anew"
        return Finding(Level.FAIL, "database", f"{path} is damaged: {verdict}", remedy)
    return Finding(Level.OK, "database", f"{path}, unharmed")


def _dictionaries(layout: Layout) -> Finding:
    folders = layout.characters.iterdir() if layout.characters.is_dir() else ()
    found = [dictionaries.load(layout, name) for name in (None, *sorted(folder.name for folder in folders))]
    problems = list(dict.fromkeys(problem for each in found for problem in each.problems))
    words = {reading for each in found for reading in each.readings}
    if problems:
        more = f" ({len(problems) - 1} more lines)" if len(problems) > 1 else ""
        return Finding(Level.WARN, "dictionary", problems[0] + more, "mend the line or take it out: it is not used")
    return Finding(Level.OK, "dictionary", f"{len(words)} words with a reading of their own")


def _port(settings: Settings, layout: Layout) -> Finding:
    where = f"{settings.server.host}:{settings.server.port}"
    if lock.is_held(layout.lock):
        return Finding(Level.OK, "port", "the service is running")
    try:
        listen(settings.server).close()
    except ServiceError as error:
        sentence, _, remedy = str(error).partition("; ")
        return Finding(Level.FAIL, "port", sentence, remedy)
    return Finding(Level.OK, "port", f"{where} is free")


def _access(settings: Settings, layout: Layout) -> Finding:
    exposed: str | None = None
    if not keys.is_loopback(settings.server.host) and not settings.access.require_key:
        database = Database(layout.database)
        try:
            if not layout.database.exists() or not migrate.revision_matches(database):
                return Finding(Level.WARN, "access", "no keys yet", "everybody who reaches the API may use it")
            with database.read() as session:
                exposed = keys.exposure(session, settings)
        except (ServiceError, OSError, SQLAlchemyError):
            return Finding(Level.WARN, "access", "the keys cannot be read", "mend the database first")
        finally:
            database.close()
    if exposed is None:
        return Finding(Level.OK, "access", "other machines need a key, or cannot reach the API")
    said, _, remedy = exposed.partition("; ")
    return Finding(Level.WARN, "access", f"ANYBODY MAY USE THIS SERVICE: {said}", remedy)


def _engine(settings: Settings) -> Iterator[Finding]:
    """Yield what the engine says about itself, line by line; a crash of it is a finding, too."""
    arguments = (str(settings.paths.models_dir or ""), settings.asr.model, settings.gpu.device)
    command = module_command("pipeline.doctor", *arguments)
    environment = {**os.environ, **as_environment(settings), "PYTHONPATH": str(Path(__file__).parent.parent)}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ENGINE_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        remedy = "look at the load of the machine and at the driver of the graphics card"
        yield Finding(Level.FAIL, "engine", f"gave no answer within {ENGINE_TIMEOUT_S:.0f} s", remedy)
        return
    for line in done.stdout.splitlines():
        found = json.loads(line)
        yield Finding(Level(found["level"]), found["name"], found["said"], found["remedy"])
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"code {done.returncode}"]
        yield Finding(Level.FAIL, "engine", f"ended unexpectedly: {last[0][:300]}", "install sovits-daemon again")


def _user() -> str:
    try:
        return psutil.Process().username()  # type: ignore[no-any-return]
    except (psutil.Error, KeyError):
        return str(os.getuid())
