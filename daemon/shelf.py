"""Which files of a character may be downloaded: found by name, never outside the character's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from daemon.errors import NotFoundError
from daemon.layout import Layout


def find(layout: Layout, character: str, name: str) -> Path:
    """Return the file of a character that a client means.

    Args:
        layout: the folders.
        character: the character's name.
        name: base name of a model, an experiment file or another file of the character, or a path below its folder.

    Raises:
        NotFoundError: there is none, or it would lie outside the character's folder.
    """
    wanted = PurePosixPath(name.strip("/"))
    if name and "\0" not in name and not any(part.startswith(".") for part in wanted.parts):
        root = layout.character(character).resolve()
        for folder in _folders(layout, character):
            found = _inside(root, folder / wanted)
            if found is not None:
                return found
    raise NotFoundError(f"character {character!r} has no file {name!r}")


def _folders(layout: Layout, character: str) -> Iterator[Path]:
    """Yield where to look, in order."""
    root = layout.character(character)
    yield layout.models(character)
    yield layout.experiment(character)
    yield root
    yield root / "transcripts"
    for folder in ("raw_audio", "denoised_audio", "sliced_audio", "converted_audio"):
        yield root / folder


def _inside(root: Path, path: Path) -> Path | None:
    """Return the file with all links followed if it still lies below the root."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return resolved if resolved.is_file() and resolved.is_relative_to(root) else None
