"""The folder of public base weights: what is there, taking files from elsewhere, and proving that they are unharmed.

`models.json` in that folder records where each file came from and its SHA-256. A file is put in place only after a
process of its own has read it to the last weight.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from daemon.errors import InvalidInputError, StorageError
from daemon.model_reader import ModelReader
from GPT_SoVITS.base_files import POLYPHONE_FILES, PUBLIC_FAMILIES, BaseFile, files_of, models_home
from GPT_SoVITS.durable import replacing, sync_folder
from GPT_SoVITS.families import FamilyName

POLYPHONE_MODEL = "g2pW"
RECORD = "models.json"
INCOMING = ".incoming"
"""Sub-folder of files that are not checked yet; on the same file system, so that they can be renamed into place."""
READ_BYTES = 1 << 20
MOST_ENTRIES = 500_000
RESERVE_BYTES = 256 * 2**20


class Verdict(StrEnum):
    """What became of a file."""

    TAKEN = "taken"
    PRESENT = "there already"
    GOOD = "unharmed"
    REFUSED = "refused"
    MISSING = "missing"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of a report."""

    verdict: Verdict
    path: str
    """Relative to the models folder."""
    said: str = ""


@dataclass(frozen=True, slots=True)
class FileState:
    """One file of a family's base."""

    path: str
    size_bytes: int | None
    """None: it is not there."""
    optional: bool
    recorded: bool
    """Whether its SHA-256 is on record."""


@dataclass(frozen=True, slots=True)
class FamilyState:
    """A public family, or the polyphone model, and its files."""

    family: str
    complete: bool
    files: tuple[FileState, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on record of a file."""

    sha256: str
    size_bytes: int
    source: str
    at: str


class ModelStore:
    """A models folder and its record."""

    def __init__(self, models_dir: Path | None) -> None:
        self.home = models_home(str(models_dir or "")).absolute()

    def inventory(self) -> list[FamilyState]:
        """Return the public families with their files."""
        return [self._state(str(name), files_of(name)) for name in PUBLIC_FAMILIES]

    def polyphone_model(self) -> FamilyState:
        """Return the model that reads Mandarin characters in context, with its files."""
        return self._state(POLYPHONE_MODEL, POLYPHONE_FILES)

    def _state(self, name: str, files: tuple[BaseFile, ...]) -> FamilyState:
        record = self.record()
        states = tuple(self._file_state(file, record) for file in files)
        complete = all(file.optional or file.size_bytes is not None for file in states)
        return FamilyState(name, complete, states)

    def _file_state(self, file: BaseFile, record: dict[str, Recorded]) -> FileState:
        found = file.found(self.home)
        path = found.relative_to(self.home).as_posix() if found is not None else file.path
        size = found.stat().st_size if found is not None else None
        return FileState(path, size, file.optional, path in record)

    def take(self, source: Path, path: str, checks: Check, origin: str) -> Outcome:
        """Copy one file in, provided that it can be read as what it should be.

        Args:
            source: where it lies now.
            path: where it belongs, relative to the models folder.
            checks: how it is read.
            origin: where it came from, for the record.

        Raises:
            StorageError: there is no room for it.
            OSError: it cannot be read or written.
        """
        incoming = self.home / INCOMING / path
        try:
            digest = self._copy(source, incoming)
            return self.adopt(incoming, path, checks, Recorded(digest, incoming.stat().st_size, origin, _now()))
        finally:
            incoming.unlink(missing_ok=True)

    def adopt(self, incoming: Path, path: str, checks: Check, facts: Recorded) -> Outcome:
        """Put a file of this file system in its place and on record, provided that it can be read."""
        answer = checks.read(incoming)
        if answer is not None:
            return Outcome(Verdict.REFUSED, path, answer)
        target = self.home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        incoming.replace(target)
        sync_folder(target.parent)
        self._write_record(self.record() | {path: facts})
        return Outcome(Verdict.TAKEN, path)

    def holds(self, path: str, sha256: str) -> bool:
        """Return whether a file is in place with these very bytes; it is on record afterwards."""
        target = self.home / path
        if not target.is_file() or hash_of(target) != sha256:
            return False
        if path not in self.record():
            self._write_record(self.record() | {path: Recorded(sha256, target.stat().st_size, "found there", _now())})
        return True

    def verify(self, reader: ModelReader) -> Iterator[Outcome]:
        """Hash and read every file again; one that is not on record yet is recorded when it reads well."""
        record = self.record()
        for path, (file, name) in _known_files().items():
            if (self.home / path).is_file():
                yield self._verified(path, Check(reader, file, name), record.get(path))
            elif path in record:
                yield Outcome(Verdict.MISSING, path, "it is on record but not there; pull or import it again")

    def _verified(self, path: str, checks: Check, recorded: Recorded | None) -> Outcome:
        target = self.home / path
        digest = hash_of(target)
        if recorded is not None and digest != recorded.sha256:
            return Outcome(Verdict.CHANGED, path, "its bytes are not those on record; pull or import it again")
        refusal = checks.read(target)
        if refusal is not None:
            return Outcome(Verdict.REFUSED, path, refusal)
        if recorded is not None:
            return Outcome(Verdict.GOOD, path)
        self._write_record(self.record() | {path: Recorded(digest, target.stat().st_size, "found there", _now())})
        return Outcome(Verdict.GOOD, path, "it was not on record and is now")

    def record(self) -> dict[str, Recorded]:
        """Return what is on record by path.

        Raises:
            InvalidInputError: the record is damaged.
        """
        path = self.home / RECORD
        try:
            files = json.loads(path.read_text(encoding="utf-8"))["files"]
            return {name: Recorded(**facts) for name, facts in files.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInputError(f"{path} is damaged; delete it and run `sovits-daemon models verify`") from error

    def _write_record(self, record: dict[str, Recorded]) -> None:
        content = {"files": {name: asdict(facts) for name, facts in sorted(record.items())}}
        with replacing(self.home / RECORD) as stream:
            stream.write(json.dumps(content, ensure_ascii=False, indent=1).encode())

    def _copy(self, source: Path, target: Path) -> str:
        """Copy to the models folder's file system and return the SHA-256 of what was written."""
        target.parent.mkdir(parents=True, exist_ok=True)
        size = source.stat().st_size
        if shutil.disk_usage(target.parent).free < size + RESERVE_BYTES:
            raise StorageError(f"there is no room for {source.name} ({size / 1e6:.0f} MB) in {self.home}")
        digest = hashlib.sha256()
        with source.open("rb") as read, target.open("wb") as written:
            while block := read.read(READ_BYTES):
                digest.update(block)
                written.write(block)
            written.flush()
            os.fsync(written.fileno())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Check:
    """How a file is read before it is trusted."""

    reader: ModelReader
    file: BaseFile
    family: FamilyName

    def read(self, path: Path) -> str | None:
        """Return why a file is refused, or None."""
        answer = self.reader.ask("base", path=path, part=self.file.part, family=self.family)
        return None if answer.ok else answer.said


def import_folder(store: ModelStore, source: Path, reader: ModelReader) -> Iterator[Outcome]:
    """Take the base files that lie anywhere below a folder, such as a GPT-SoVITS installation, found by their names.

    Raises:
        InvalidInputError: the folder is none, or is the models folder itself.
        StorageError: there is no room for a file.
    """
    if not source.is_dir():
        raise InvalidInputError(f"{source} is no folder; name the one that holds the model files")
    if source.resolve() == store.home.resolve():
        raise InvalidInputError(f"{source} is the models folder itself; `sovits-daemon models verify` checks it")
    found = _candidates(source, store.home)
    for path, (file, name) in _known_files().items():
        if path in found:
            yield _import_one(store, path, found[path], Check(reader, file, name))


def _known_files() -> dict[str, tuple[BaseFile, FamilyName]]:
    """Every path in a models folder, with what belongs there and the first family that needs it."""
    known: dict[str, tuple[BaseFile, FamilyName]] = {}
    files = [(file, name) for name in PUBLIC_FAMILIES for file in files_of(name)]
    for file, name in [*files, *((file, PUBLIC_FAMILIES[0]) for file in POLYPHONE_FILES)]:
        for path in (file.path, *file.substitutes):
            known.setdefault(path, (file, name))
    return known


def _import_one(store: ModelStore, path: str, sources: list[Path], checks: Check) -> Outcome:
    """Take the first of several files of one name that proves good."""
    refused = Outcome(Verdict.REFUSED, path)
    for source in sources:
        if (store.home / path).is_file() and store.holds(path, hash_of(source)):
            return Outcome(Verdict.PRESENT, path)
        outcome = store.take(source, path, checks, f"import of {source}")
        if outcome.verdict is Verdict.TAKEN:
            return Outcome(Verdict.TAKEN, path, f"from {source}")
        refused = Outcome(outcome.verdict, path, f"{source}: {outcome.said}")
    return refused


def _candidates(source: Path, home: Path) -> dict[str, list[Path]]:
    """Return the files below a folder by the place where they belong; likelier ones first."""
    by_name: dict[str, list[str]] = {}
    for path in _known_files():
        by_name.setdefault(Path(path).name, []).append(path)
    found: dict[str, list[Path]] = {}
    entries = 0
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(each for each in folders if (Path(folder) / each).resolve() != home.resolve())
        entries += len(names)
        if entries > MOST_ENTRIES:
            raise InvalidInputError(f"{source} holds more than {MOST_ENTRIES} files; name the models folder in it")
        for name in names:
            for path in by_name.get(name, ()):
                place = Path(folder) / name
                if place.is_file() and _fits(place, path):
                    found.setdefault(path, []).append(place)
    for path, places in found.items():
        places.sort(key=lambda place: (not place.as_posix().endswith(f"/{path}"), len(place.parts), place))
    return found


def _fits(place: Path, path: str) -> bool:
    """Return whether a file may be the wanted one: encoders are known by their folder, all others by their name."""
    wanted = Path(path)
    return wanted.suffix in (".pth", ".ckpt") or place.parent.name == wanted.parent.name


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
