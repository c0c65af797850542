"""What the inbox has to remember of one character over a restart, in a row of ServiceState."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from daemon.tables import Character, ServiceState, now

FOLDERS = "inbox.folders"


@dataclass(slots=True)
class Memory:
    """Facts about one character's inbox folder."""

    key: str
    made: str
    """When the character was made: a later one may get the same number."""
    names: dict[str, str] = field(default_factory=dict)
    """Path in the inbox → name in raw_audio, where the two differ."""
    kept: dict[str, list[Any]] = field(default_factory=dict)
    """Path of a file that stays in the inbox → size, mtime in ns, what became of it; for inbox mode `keep`."""

    def stored_as(self, relative: str, safe: str) -> str:
        """Return the name under which a file of the inbox is stored, if it is."""
        return self.names.get(relative, safe)

    def taken_by_another(self, relative: str, target: str) -> bool:
        """Return whether a name in raw_audio belongs to another file of the inbox, as far as is known."""
        if self.names.get(relative) == target:
            return False
        return relative != target or target in self.names.values()


def load(session: Session, character: Character) -> Memory:
    """Return what is remembered of a character."""
    memory = Memory(f"inbox.{character.id}", character.created_at.isoformat())
    row = session.get(ServiceState, memory.key)
    if row is not None and row.value.get("made") == memory.made:
        memory.names = dict(row.value.get("names", {}))
        memory.kept = dict(row.value.get("kept", {}))
    return memory


def save(session: Session, memory: Memory) -> None:
    """Remember it with the session's transaction."""
    if memory.names or memory.kept:
        value = {"made": memory.made, "names": memory.names, "kept": memory.kept}
        session.merge(ServiceState(key=memory.key, value=value, updated_at=now()))


def load_folders(session: Session) -> dict[str, list[int]]:
    """Return the folders that have made a character, each with inode, size and mtime of the config applied last."""
    row = session.get(ServiceState, FOLDERS)
    return dict(row.value) if row is not None else {}


def save_folders(session: Session, folders: dict[str, list[int]]) -> None:
    """Remember them with the session's transaction."""
    session.merge(ServiceState(key=FOLDERS, value=dict(folders), updated_at=now()))
