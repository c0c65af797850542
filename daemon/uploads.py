"""Taking a recording that came over HTTP: checked, stored once, recorded."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sqlmodel import Session

from daemon import characters, limits, probing, recordings
from daemon.database import Database
from daemon.errors import StorageError, UnsupportedAudioError
from daemon.layout import Layout
from daemon.names import UPLOAD_EXTENSIONS, base_name, recording_name
from daemon.recordings import RecordingFacts
from daemon.settings import Settings
from daemon.tables import AudioFile, Character, Origin
from GPT_SoVITS.durable import sync_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A complete file in the scratch folder."""

    path: Path
    """Its name is the safe name that it will be stored under."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the recording is now, and what was done in one sentence."""

    filename: str
    message: str


def safe_name(client_name: str) -> str:
    """Return the name under which an upload is stored.

    Raises:
        UnsupportedAudioError: the extension is not one of audio.
    """
    name = recording_name(base_name(client_name))
    if PurePosixPath(name).suffix.lower() not in UPLOAD_EXTENSIONS:
        accepted = " ".join(sorted(each[1:] for each in UPLOAD_EXTENSIONS))
        raise UnsupportedAudioError(f"file: {name!r} has no audio extension; accepted are {accepted}")
    return name


def store(database: Database, settings: Settings, layout: Layout, character_name: str, arrived: Arrived) -> Stored:
    """Check a file and move it into the character's recordings; the same bytes are never stored twice.

    Raises:
        NotFoundError: no such character.
        BusyError: the character is being renamed.
        UnsupportedAudioError: it is not usable audio.
        StorageError: the disk or the quota is full.
    """
    with database.read() as session:
        known = _same_bytes(session, layout, characters.get(session, character_name), arrived.sha256)
    if known is not None:
        return _already(known)
    audio = probing.probe(arrived.path, settings.inbox)
    stat = arrived.path.stat()
    _refuse_when_full(layout, settings)
    with database.write() as session:
        character = characters.get(session, character_name)
        characters.refuse_while_renaming(character)
        known = _same_bytes(session, layout, character, arrived.sha256)
        if known is not None:
            return _already(known)
        folder = layout.raw_audio(character.name)
        before = recordings.find(session, character, arrived.path.name)
        limits.refuse_over_quota(session, settings.limits, stat.st_size - (before.size_bytes if before else 0))
        target = _target(folder, arrived, before)
        facts = RecordingFacts(
            filename=target.name,
            sha256=arrived.sha256,
            size_bytes=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            duration_s=audio.duration_s,
            sample_rate_hz=audio.sample_rate_hz,
            origin=Origin.API,
        )
        if before is None:
            recordings.add(session, character, facts)
        else:
            recordings.replace(session, before, facts)
        session.flush()
        _place(arrived.path, target)
    logger.info("stored recording %r of %s", target.name, character.name)
    return Stored(target.name, f"{target.name} was {'stored' if before is None else 'replaced by the new recording'}")


def _refuse_when_full(layout: Layout, settings: Settings) -> None:
    free = shutil.disk_usage(layout.work_dir).free
    if free < settings.inbox.free_bytes_reserve:
        raise StorageError("the disk that holds the work directory is nearly full; free some space and upload again")


def _same_bytes(session: Session, layout: Layout, character: Character, sha256: str) -> AudioFile | None:
    row = recordings.find_by_hash(session, character, sha256)
    return row if row is not None and (layout.raw_audio(character.name) / row.filename).is_file() else None


def _already(row: AudioFile) -> Stored:
    return Stored(row.filename, f"the same recording is already stored as {row.filename}; nothing was added")


def _target(folder: Path, arrived: Arrived, before: AudioFile | None) -> Path:
    """Return where the file goes; one that somebody put there by hand and nobody recorded is left alone."""
    target = folder / arrived.path.name
    if before is not None or not target.exists():
        return target
    stem = recording_name(f"{target.stem[:100]}_{arrived.sha256[:8]}{target.suffix}")
    return target.with_name(stem)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    sync_folder(target.parent)
