"""Transcripts that lie beside recordings: `.txt` and `.lab` of the same stem, and public `.list` files."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, col, select

from daemon import characters, recordings
from daemon.database import Database
from daemon.inbox import memory
from daemon.inbox.copying import write_text
from daemon.inbox.filters import FileKind, kind_of
from daemon.inbox.reading import Outcome
from daemon.inbox.scan import Entry
from daemon.inbox.store import safe_name
from daemon.layout import Layout
from daemon.names import character_name
from daemon.tables import AudioFile, Character
from pipeline.listfile import parse_list

logger = logging.getLogger(__name__)

MAX_TEXT_BYTES = 65_536
MAX_LIST_BYTES = 33_554_432
SHOWN_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a sidecar. READ: it was taken; GROWING: it waits for its recording."""

    outcome: Outcome
    reason: str = ""
    character_id: int = 0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    text: str
    language: str | None


class Sidecars:
    """Gives recordings the transcripts that people put beside them."""

    def __init__(self, database: Database, layout: Layout, *, keep: bool) -> None:
        self._database = database
        self._layout = layout
        self._keep = keep

    def apply(self, entry: Entry) -> Applied:
        """Take one sidecar, or say why not.

        Raises:
            OSError: it cannot be read or moved at this moment.
            ServiceError: the database is busy or full.
        """
        is_list = kind_of(entry.parts) is FileKind.LIST
        text = _decoded(Path(entry.path), MAX_LIST_BYTES if is_list else MAX_TEXT_BYTES)
        if text is None:
            return Applied(Outcome.REJECTED, "the text is too large or not UTF-8; save it as UTF-8 and try again")
        if is_list:
            return self._apply_list(entry, text)
        words = " ".join(text.split())
        if not words:
            return Applied(Outcome.REJECTED, "the transcript is empty; write what is said in the recording")
        return self._apply_text(entry, _Given(words, None))

    def _apply_text(self, entry: Entry, given: _Given) -> Applied:
        with self._database.write() as session:
            character = characters.find(session, character_name(entry.folder))
            names = _Names(session, character) if character is not None else None
            matches = names.beside(entry) if names is not None else []
            if character is None or not matches:
                return Applied(Outcome.GROWING, "waits for the recording that it belongs to")
            changed = self._give(session, character, dict.fromkeys(matches, given))
        if not self._keep:
            Path(entry.path).unlink(missing_ok=True)  # its words are in raw_audio/ and in the database
        return Applied(Outcome.READ, "", character.id or 0, changed)

    def _apply_list(self, entry: Entry, text: str) -> Applied:
        parsed = parse_list(text)
        with self._database.write() as session:
            character = characters.find(session, character_name(entry.folder))
            if character is None:
                return Applied(Outcome.GROWING, "waits for the recordings that it names")
            names = _Names(session, character)
            given, missing = {}, 0
            for line in parsed.lines:
                matches = names.called(line.name)
                missing += not matches
                given.update(dict.fromkeys(matches, _Given(line.text, line.language)))
            changed = self._give(session, character, given)
        known = Applied(Outcome.READ, "", character.id or 0, changed)
        if parsed.problems or not parsed.lines:
            shown = "; ".join(parsed.problems[:SHOWN_PROBLEMS]) or "it has no line path|speaker|language|text"
            return Applied(Outcome.REJECTED, f"not all of the list can be used: {shown}", known.character_id, changed)
        if missing:
            reason = f"waits for {missing} recordings that it names"
            return Applied(Outcome.GROWING, reason, known.character_id, changed)
        if not self._keep:
            target = self._layout.raw_audio(character.name) / safe_name(entry)
            write_text(target, text, self._layout.scratch)
            Path(entry.path).unlink(missing_ok=True)
        return known

    def _give(self, session: Session, character: Character, given: Mapping[str, _Given]) -> bool:
        """Set transcripts of recordings by file name; returns whether any was new."""
        query = select(AudioFile).where(AudioFile.character_id == character.id)
        rows = session.exec(query.where(col(AudioFile.filename).in_(list(given)))).all()
        changed = False
        for row in rows:
            wanted = given[row.filename]
            path = self._layout.raw_audio(character.name) / f"{row.filename}.txt"
            if (row.transcript_text, row.transcript_language) != (wanted.text, wanted.language):
                recordings.set_transcript(session, row, wanted.text, wanted.language)
                write_text(path, wanted.text + "\n", self._layout.scratch)
                changed = True
            elif not path.exists():
                write_text(path, wanted.text + "\n", self._layout.scratch)
        return changed


class _Names:
    """The recordings of a character by what people call them."""

    def __init__(self, session: Session, character: Character) -> None:
        stored = session.exec(select(AudioFile.filename).where(AudioFile.character_id == character.id)).all()
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        present = set(stored)
        for filename in stored:
            self._add(filename, filename)
        for relative, filename in memory.load(session, character).names.items():
            if filename in present:
                self._add(relative, filename)

    def _add(self, relative: str, filename: str) -> None:
        self._by_name[relative].append(filename)
        self._by_stem[_stem(relative)].append(filename)

    def beside(self, entry: Entry) -> list[str]:
        """Return the recordings that a text file lies beside: a.wav for a.txt as well as for a.wav.txt."""
        stem = _stem(entry.relative)
        safe = _stem(safe_name(entry))
        for candidates in (self._by_name.get(stem), self._by_stem.get(stem), self._by_stem.get(safe)):
            if candidates:
                return list(dict.fromkeys(candidates))
        return []

    def called(self, name: str) -> list[str]:
        """Return the recordings with this base name, or else with its stem."""
        exact = self._by_name.get(name) or [
            filename for relative, found in self._by_name.items() if relative.endswith(f"/{name}") for filename in found
        ]
        return list(dict.fromkeys(exact or self._by_stem.get(_stem(name), [])))


def _stem(relative: str) -> str:
    folder, slash, name = relative.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return f"{folder}{slash}{stem if dot and stem else name}"


def _decoded(path: Path, limit: int) -> str | None:
    if path.stat().st_size > limit:
        return None
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None
