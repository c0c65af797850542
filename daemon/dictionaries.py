"""The users' dictionaries on disk: read when asked for, once for each state of the files."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

from daemon.layout import Layout
from GPT_SoVITS.text.dictionary import DictionaryFile, Reading, parse

logger = logging.getLogger(__name__)

MOST_BYTES = 4_000_000


def readings(layout: Layout, character: str | None = None) -> tuple[Reading, ...]:
    """Return the readings for a character: those for all, overridden by its own. Bad lines are logged, once."""
    found = load(layout, character)
    _log(found.problems)
    return found.readings


def load(layout: Layout, character: str | None = None) -> DictionaryFile:
    """Return the readings for a character and what is wrong with its dictionaries."""
    files = [_state_of(path, layout) for path in layout.dictionaries(character)]
    chosen = {(each.word.casefold(), each.language): each for file in files for each in file.readings}
    return DictionaryFile(tuple(chosen.values()), tuple(problem for file in files for problem in file.problems))


def _state_of(path: Path, layout: Layout) -> DictionaryFile:
    try:
        stat = path.stat()
    except OSError:
        return DictionaryFile((), ())
    return _read(path, path.relative_to(layout.work_dir).as_posix(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _log(problems: tuple[str, ...]) -> None:
    for problem in problems:
        logger.warning("%s; the line is not used", problem)


@lru_cache(maxsize=256)
def _read(path: Path, name: str, _mtime_ns: int, size_bytes: int) -> DictionaryFile:
    if size_bytes > MOST_BYTES:
        return DictionaryFile((), (f"{name} has {size_bytes} bytes; {MOST_BYTES} are the most",))
    try:
        return parse(path.read_text(encoding="utf-8"), name)
    except OSError as error:
        return DictionaryFile((), (f"{name} cannot be read: {error.strerror}",))
    except UnicodeDecodeError:
        return DictionaryFile((), (f"{name} is not written in UTF-8; save it so",))
