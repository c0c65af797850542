"""Which names in an inbox folder are recordings, which go beside them, and which are left alone. Pure."""

from __future__ import annotations

from enum import StrEnum

from daemon.names import AUDIO_EXTENSIONS

CONFIG_NAME = "character.yaml"
TEXT_EXTENSIONS = frozenset({".txt", ".lab"})
LIST_EXTENSION = ".list"
LITTER_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "lost+found", "__macosx", "@eadir"})
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".swp", "~")


class FileKind(StrEnum):
    """What an inbox file is, going by its name."""

    AUDIO = "audio"
    TEXT = "text"
    LIST = "list"
    CONFIG = "config"
    OTHER = "other"
    LITTER = "litter"


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this name is left alone: hidden, unfinished or made by a system."""
    lowered = name.lower()
    if name.startswith(".") or lowered in LITTER_NAMES:
        return True
    return lowered.startswith("~$") or lowered.endswith(UNFINISHED)


def kind_of(parts: tuple[str, ...]) -> FileKind:
    """Return what a file is.

    Args:
        parts: its path below the character's inbox folder.
    """
    if not parts or any(is_litter(part) for part in parts):
        return FileKind.LITTER
    name = parts[-1].lower()
    if len(parts) == 1 and name in {CONFIG_NAME, "character.yml"}:
        return FileKind.CONFIG
    suffix = extension(name)
    if suffix in AUDIO_EXTENSIONS:
        return FileKind.AUDIO
    if suffix in TEXT_EXTENSIONS:
        return FileKind.TEXT
    return FileKind.LIST if suffix == LIST_EXTENSION else FileKind.OTHER


def extension(name: str) -> str:
    """Return the extension in lower case with its dot, or an empty text."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""
