"""What makes a character: a folder of a legal name, and the `character.yaml` in it."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from daemon import character_config, characters
from daemon.database import Database
from daemon.errors import InvalidInputError
from daemon.inbox import memory
from daemon.inbox.filters import FileKind, kind_of
from daemon.inbox.scan import Entry
from daemon.layout import Layout
from daemon.names import character_name
from daemon.settings import Settings

logger = logging.getLogger(__name__)

MAX_CONFIG_BYTES = 65_536
LOOSE = "lies beside the characters' folders; move it into a folder that has the name of its voice"


@dataclass(slots=True)
class Folders:
    """The character folders of the inbox. A config is applied once, so that what the API sets later stays."""

    database: Database
    layout: Layout
    settings: Settings
    illegal: dict[str, str] = field(default_factory=dict)
    """Folders whose name cannot be a character's, with the reason."""
    loose: dict[str, str] = field(default_factory=dict)
    """Recordings that lie in no folder, with what to do."""
    _seen: dict[str, list[int]] = field(default_factory=dict)

    def load(self) -> None:
        """Read what an earlier run remembered."""
        with self.database.read() as session:
            self._seen = memory.load_folders(session)

    def names(self) -> list[str]:
        """Return the folders with a legal name that lie in the inbox now.

        Raises:
            OSError: the inbox cannot be read.
        """
        legal, illegal, loose = [], {}, {}
        with os.scandir(self.layout.inbox_dir) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if kind_of((entry.name,)) is FileKind.AUDIO:
                        loose[entry.path] = LOOSE
                    continue
                if entry.name.startswith("."):
                    continue
                try:
                    character_name(entry.name)
                    legal.append(entry.name)
                except InvalidInputError as error:
                    illegal[entry.name] = str(error)
        for name in illegal.keys() - self.illegal.keys():
            logger.warning("the inbox folder %r is left alone: %s", name, illegal[name])
        for path in loose.keys() - self.loose.keys():
            logger.warning("%r is left alone: it %s", path, LOOSE)
        self.illegal, self.loose = illegal, loose
        return sorted(legal)

    def is_new(self, folder: str) -> bool:
        """Return whether a folder has not made a character yet."""
        return folder not in self._seen

    def forget_missing(self, present: set[str]) -> None:
        """Forget folders that are gone, so that they count as new when they come back."""
        gone = [name for name in self._seen if name not in present]
        # A rename of the character has moved the folder: its config is the same file and was applied already.
        moved = {tuple(self._seen[name]): name for name in gone if len(self._seen[name]) == 3}
        for name in present - self._seen.keys():
            mark = _mark(self.layout.inbox(name) / "character.yaml")
            if mark is not None and tuple(mark) in moved:
                self._seen[name] = mark
                gone.append(name)
        for name in gone:
            if name not in present:
                del self._seen[name]
        if gone:
            self._save()

    def is_applied(self, entry: Entry) -> bool:
        """Return whether this very config was applied before."""
        return self._seen.get(entry.folder) == _mark(Path(entry.path))

    def make(self, folder: str) -> int:
        """Make the character of a new folder, if there is none, and return its id.

        Raises:
            ServiceError: the database is busy or full, or the character is being renamed.
        """
        with self.database.write() as session:
            character = characters.ensure(session, folder, character_config.parse({}, self.settings))
            characters.make_folders(self.layout, character.name)
        self.note(folder)
        assert character.id is not None
        return character.id

    def note(self, folder: str) -> None:
        """Remember that a folder has made its character."""
        if folder not in self._seen:
            self._seen[folder] = []
            self._save()

    def apply_config(self, entry: Entry) -> int:
        """Give the character of a folder the config in a file, and return its id.

        Raises:
            InvalidInputError: the file is not a config; says what is wrong.
            OSError: it cannot be read at this moment.
            ServiceError: the database is busy or full, or the character is being renamed.
        """
        mark = _mark(Path(entry.path))
        config = character_config.parse(_fields(Path(entry.path)), self.settings)
        with self.database.write() as session:
            character = characters.ensure(session, entry.folder, config)
            changed = characters.set_config(session, character, config)
            characters.make_folders(self.layout, character.name)
        self._seen[entry.folder] = mark or []
        self._save()
        if changed:
            logger.info("the config of %s was set by its character.yaml", character.name)
        assert character.id is not None
        return character.id

    def _save(self) -> None:
        with self.database.write() as session:
            memory.save_folders(session, self._seen)


def _mark(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _fields(path: Path) -> dict[str, object]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise InvalidInputError(f"character.yaml is larger than {MAX_CONFIG_BYTES} bytes; it holds a few settings only")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"character.yaml is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise InvalidInputError("character.yaml must hold settings such as `language: en`")
    return document
