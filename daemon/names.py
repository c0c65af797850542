"""Names that people give: which are accepted as a character, and how a file name is made safe to store."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from daemon.errors import InvalidInputError

MAX_CHARACTERS = 64
MAX_CHARACTER_BYTES = 200
"""A folder name has 255 bytes and some files append to it; 64 letters outside the common planes would not fit."""
MAX_RECORDING_BYTES = 180
"""Clips append two sample positions and suffixes to this, within the 255 bytes of a file name."""

RESERVED = frozenset({"characters", "inbox", "inference", "logs", "scratch", "rejected", "con", "prn", "aux", "nul"})
"""Names that the layout uses, or that a synchronised Windows folder cannot hold; compared without case."""

UPLOAD_EXTENSIONS = frozenset({".wav", ".mp3", ".m4a", ".flac", ".aac", ".ogg", ".opus", ".wma", ".3gp", ".webm"})
"""What the REST contract accepts."""
AUDIO_EXTENSIONS = UPLOAD_EXTENSIONS | {
    ".aif", ".aiff", ".amr", ".avi", ".caf", ".mka", ".mkv", ".mov", ".mp2", ".mp4", ".oga", ".wmv",
}  # fmt: skip
"""What the inbox accepts: the same, more audio, and videos for their first audio stream."""

_INVISIBLE = frozenset("\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u2060\ufeff") | {
    chr(code) for start, end in ((0x202A, 0x202E), (0x2066, 0x2069)) for code in range(start, end + 1)
}
"""Marks that reorder or hide text, so that a name would not be what it looks like."""
_FORBIDDEN = frozenset("/\\|") | _INVISIBLE
_LEADING = " .-"


def character_name(text: str) -> str:
    """Return a character's name in Unicode NFC.

    Raises:
        InvalidInputError: it is not letters of any script, digits, `_` and `-`, 1 to 64 of them, or it is reserved.
    """
    name = unicodedata.normalize("NFC", text)
    if not 1 <= len(name) <= MAX_CHARACTERS:
        raise InvalidInputError(f"character_name: a name has 1 to {MAX_CHARACTERS} characters, not {len(name)}")
    for position, character in enumerate(name):
        if not _accepted(character, first=position == 0):
            raise InvalidInputError(
                f"character_name: {ascii(character)} is not accepted; use letters of any script, digits, '_' and '-'"
            )
    if len(name.encode("utf-8")) > MAX_CHARACTER_BYTES:
        raise InvalidInputError(f"character_name: the name is longer than {MAX_CHARACTER_BYTES} bytes in UTF-8")
    if name.casefold() in RESERVED:
        raise InvalidInputError(f"character_name: {name!r} is reserved by the service; choose another name")
    return name


def _accepted(character: str, *, first: bool) -> bool:
    category = unicodedata.category(character)
    if category.startswith("M"):
        return not first
    return category.startswith("L") or category == "Nd" or character in "_-"


def base_name(path: str) -> str:
    """Return the last part of a path as clients of any system write it."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def recording_name(text: str) -> str:
    """Return a safe file name for a recording: NFC, at most 180 bytes with its extension kept, never empty.

    Separators, `|`, control and bidirectional marks become `_`; bytes that are not UTF-8 become `%XX`.
    """
    name = "".join(_safe(each) for each in unicodedata.normalize("NFC", text))
    name = re.sub(r"\s+", " ", name)
    hidden = name.lstrip(" -").startswith(".")
    name = name.rstrip(" .").lstrip(_LEADING)
    suffix = PurePosixPath(name).suffix if len(PurePosixPath(name).suffix) <= 8 else ""
    stem = name[: len(name) - len(suffix)].rstrip(" .")
    if hidden and not suffix and f".{name.lower()}" in AUDIO_EXTENSIONS:  # nothing but an extension
        stem, suffix = "", f".{name}"
    room = MAX_RECORDING_BYTES - len(suffix.encode("utf-8"))
    return _shortened(stem or "recording", room) + suffix


def _safe(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that the file system gave and UTF-8 does not know
        return f"%{ord(character) - 0xDC00:02X}"
    if character in _FORBIDDEN or unicodedata.category(character) in {"Cc", "Cs"}:
        return "_"
    return character


def _shortened(stem: str, room_bytes: int) -> str:
    while len(stem.encode("utf-8")) > room_bytes:
        stem = stem[:-1]
    return stem.rstrip(" .") or "recording"
