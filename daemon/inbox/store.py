"""Move files that were found good into raw_audio/ and record them, many in one transaction."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

from sqlmodel import Session, col, select

from daemon import character_config, characters, events, recordings
from daemon.database import Database
from daemon.inbox import memory
from daemon.inbox.copying import copy_verified, fsync_folder
from daemon.inbox.memory import Memory
from daemon.inbox.reading import Reading, file_hash
from daemon.inbox.scan import Entry
from daemon.layout import Layout
from daemon.names import character_name, recording_name
from daemon.recordings import RecordingFacts
from daemon.settings import InboxMode, Settings
from daemon.tables import AudioFile, Character

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the inbox and what was read of it."""

    entry: Entry
    reading: Reading


@dataclass(slots=True)
class Stored:
    """What became of a batch."""

    character_id: int = 0
    taken: list[Entry] = field(default_factory=list)
    duplicates: list[Entry] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    """Path → why it has to be tried again."""


@dataclass(slots=True)
class _Batch:
    """The rows that a batch may meet."""

    session: Session
    character: Character
    raw: Path
    memory: Memory
    by_name: dict[str, AudioFile]
    by_hash: dict[str, AudioFile]
    intact: set[str]
    """Hashes whose stored file was read again and is unharmed."""


class Storage:
    """Writes recordings of one installation."""

    def __init__(self, database: Database, layout: Layout, settings: Settings) -> None:
        self._database = database
        self._layout = layout
        self._settings = settings
        self._keep = settings.inbox.mode is InboxMode.KEEP

    def known_hashes(self, folder: str, hashes: Sequence[str]) -> set[str]:
        """Return those of the hashes that a recording of this character has."""
        with self._database.read() as session:
            character = characters.find(session, character_name(folder))
            if character is None:
                return set()
            query = select(AudioFile.sha256).where(AudioFile.character_id == character.id)
            return set(session.exec(query.where(col(AudioFile.sha256).in_(hashes))).all())

    def store(self, folder: str, found: Sequence[Found]) -> Stored:
        """Take a batch of good files of one folder.

        Raises:
            ServiceError: the database is busy or full, or the character is being renamed; nothing is lost.
        """
        done = Stored()
        found = sorted(found, key=lambda each: each.entry.parts)
        intact = self._intact(folder, found)
        sources = self._sources(found, intact, done)
        with self._database.write() as session:
            batch = self._batch(session, folder, found, intact)
            done.character_id = batch.character.id or 0
            for each in found:
                if each.entry.path in done.held:
                    continue
                try:
                    self._place(batch, each, sources.get(each.entry.path), done)
                except OSError as error:
                    done.held[each.entry.path] = f"cannot be moved: {error.strerror}; it is tried again"
            session.flush()
            if done.taken:
                fsync_folder(batch.raw)
            memory.save(session, batch.memory)
        copied = [e for e in done.taken if sources.get(e.path) not in (None, e.path)]
        self._remove_originals([*copied, *done.duplicates])
        return done

    def _batch(self, session: Session, folder: str, found: Sequence[Found], intact: set[str]) -> _Batch:
        character = characters.ensure(session, folder, character_config.parse({}, self._settings))
        raw = self._layout.raw_audio(character.name)
        raw.mkdir(parents=True, exist_ok=True)
        remembered = memory.load(session, character)
        names = {remembered.stored_as(each.entry.relative, safe_name(each.entry)) for each in found}
        names |= {suffixed(safe_name(each.entry), each.reading.sha256) for each in found}
        hashes = {each.reading.sha256 for each in found}
        mine = select(AudioFile).where(AudioFile.character_id == character.id).order_by(col(AudioFile.id).desc())
        same_names = session.exec(mine.where(col(AudioFile.filename).in_(names))).all()
        same_bytes = session.exec(mine.where(col(AudioFile.sha256).in_(hashes))).all()
        by_name = {row.filename: row for row in (*same_names, *same_bytes)}
        coming = _coming(remembered, found)
        by_hash = {row.sha256: row for row in same_bytes if coming.get(row.filename, row.sha256) == row.sha256}
        return _Batch(session, character, raw, remembered, by_name, by_hash, intact)

    def _intact(self, folder: str, found: Sequence[Found]) -> set[str]:
        """Read stored files again that are about to stand in for a duplicate in the inbox."""
        hashes = {each.reading.sha256 for each in found}
        with self._database.read() as session:
            character = characters.find(session, character_name(folder))
            if character is None:
                return set()
            rows = session.exec(
                select(AudioFile)
                .where(AudioFile.character_id == character.id, col(AudioFile.sha256).in_(hashes))
                .order_by(col(AudioFile.id).desc())
            ).all()
            coming = _coming(memory.load(session, character), found)
        folder_path = self._layout.raw_audio(character.name)
        lasting = [row for row in rows if coming.get(row.filename, row.sha256) == row.sha256]
        stored = {row.sha256: folder_path / row.filename for row in lasting}
        return {sha256 for sha256, path in stored.items() if _has_hash(path, sha256)}

    def _sources(self, found: Sequence[Found], intact: set[str], done: Stored) -> dict[str, str]:
        """Return for each file what to rename into place: itself, or a verified copy where it cannot be moved."""
        device = os.stat(self._layout.work_dir).st_dev  # noqa: PTH116
        sources = {}
        for each in found:
            path = each.entry.path
            if each.reading.sha256 in intact:
                continue
            try:
                if not self._keep and each.reading.links == 1 and os.lstat(path).st_dev == device:
                    sources[path] = path
                else:
                    sources[path] = copy_verified(path, self._layout.scratch, each.reading)
            except OSError as error:
                done.held[path] = f"cannot be copied: {error.strerror}; it is tried again"
        return sources

    def _place(self, batch: _Batch, each: Found, source: str | None, done: Stored) -> None:
        entry, sha256 = each.entry, each.reading.sha256
        same = batch.by_hash.get(sha256)
        if same is not None and sha256 in batch.intact:
            self._note_duplicate(batch, entry, same, done)
            if source not in (None, entry.path):
                Path(str(source)).unlink(missing_ok=True)
            return
        if source is None or _changed(entry):
            done.held[entry.path] = "has changed while it was read"
            return
        target = self._target(batch, each) if same is None else same.filename  # same: its stored file is damaged
        os.replace(source, batch.raw / target)  # noqa: PTH105
        if self._keep:
            batch.memory.kept[entry.relative] = [entry.size_bytes, entry.mtime_ns, target]
        if same is None and target != entry.relative:
            batch.memory.names[entry.relative] = target
        replaced = batch.by_name.get(target)
        if replaced is not None and batch.by_hash.get(replaced.sha256) is replaced:
            del batch.by_hash[replaced.sha256]
        row = self._record(batch, each, target)
        batch.by_name[target] = batch.by_hash[sha256] = row
        batch.intact.add(sha256)
        done.taken.append(entry)

    def _target(self, batch: _Batch, each: Found) -> str:
        relative = each.entry.relative
        target = batch.memory.stored_as(relative, safe_name(each.entry))
        if target not in batch.by_name:
            # Something that nobody recorded lies there: put there by hand a moment ago.
            return suffixed(target, each.reading.sha256) if (batch.raw / target).exists() else target
        if batch.memory.taken_by_another(relative, target):
            return suffixed(target, each.reading.sha256)
        return target

    def _record(self, batch: _Batch, each: Found, target: str) -> AudioFile:
        before = batch.by_name.get(target)
        facts = RecordingFacts(
            filename=target,
            sha256=each.reading.sha256,
            size_bytes=each.entry.size_bytes,
            mtime_ns=each.entry.mtime_ns,
            duration_s=each.reading.facts.duration_s,
            sample_rate_hz=each.reading.facts.sample_rate_hz,
            # A better copy of a recording says the same words.
            transcript_text=before.transcript_text if before else None,
            transcript_language=before.transcript_language if before else None,
        )
        if before is None:
            return recordings.add(batch.session, batch.character, facts)
        return recordings.replace(batch.session, before, facts)

    def _note_duplicate(self, batch: _Batch, entry: Entry, same: AudioFile, done: Stored) -> None:
        events.append(
            batch.session,
            "audio.duplicate",
            character_id=batch.character.id,
            filename=entry.relative,
            same_as=same.filename,
        )
        logger.info("%r of %s is stored already as %r", entry.relative, batch.character.name, same.filename)
        if self._keep:
            batch.memory.kept[entry.relative] = [entry.size_bytes, entry.mtime_ns, same.filename]
        done.duplicates.append(entry)

    def _remove_originals(self, entries: Sequence[Entry]) -> None:
        """Delete files whose bytes are safe in raw_audio/, unless they were changed a moment ago."""
        if self._keep:
            return
        for entry in entries:
            if not _changed(entry):
                Path(entry.path).unlink(missing_ok=True)


def safe_name(entry: Entry) -> str:
    """Return the name in raw_audio/ of a file of the inbox: its folders joined by two underscores."""
    return _safe_name(entry.parts)


@lru_cache(1024)
def _safe_name(parts: tuple[str, ...]) -> str:
    return recording_name("__".join(parts))


def _coming(remembered: Memory, found: Sequence[Found]) -> dict[str, str]:
    """Return name in raw_audio → hash that a batch brings.

    A recording that is about to be replaced must not stand in for a file with its old bytes: they would be lost.
    """
    return {remembered.stored_as(each.entry.relative, safe_name(each.entry)): each.reading.sha256 for each in found}


def suffixed(name: str, sha256: str) -> str:
    """Return a name with a part of the file's hash, for a second file of the same safe name."""
    path = PurePosixPath(name)
    stem = path.stem
    while len(stem.encode("utf-8")) > 160:
        stem = stem[:-1]
    return f"{stem}_{sha256[:8]}{path.suffix}"


def _changed(entry: Entry) -> bool:
    try:
        status = os.lstat(entry.path)
    except FileNotFoundError:
        return True
    return (status.st_size, status.st_mtime_ns) != (entry.size_bytes, entry.mtime_ns)


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        return file_hash(str(path)) == sha256
    except OSError:
        return False
