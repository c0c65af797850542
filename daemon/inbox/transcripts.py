"""Notice what a person changed in `transcripts/<name>.list`, the list that the transcription step wrote."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session, select

from daemon import events, queue
from daemon.database import Database
from daemon.layout import Layout
from daemon.tables import Artifact, Character, TranscriptEdit, now
from daemon.transcript_edits import as_listed, unedited
from pipeline.listfile import ListFile, ListLine, parse_list
from pipeline.steps import LIST_ITEM, JobKind, StepName

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Transcripts:
    """Turns hand edits into rows of TranscriptEdit."""

    database: Database
    layout: Layout
    problems: dict[str, str] = field(default_factory=dict)
    """List files that could not be understood, with the reason."""

    def take_edits(self, character_id: int) -> bool | None:
        """Record what a person changed.

        Returns:
            Whether anything was changed; None when a job is about to write the list, so that it has to be asked later.

        Raises:
            OSError: the list cannot be read.
            ServiceError: the database is busy or full.
        """
        with self.database.write() as session:
            character = session.get(Character, character_id)
            artifact = _artifact(session, character_id, LIST_ITEM)
            if character is None or character.renaming_to is not None or artifact is None or not artifact.outputs:
                return False
            if queue.active(session, character_id, JobKind.PROCESS) is not None:
                return None
            path = self.layout.transcript_list(character.name)
            self.problems.pop(str(path), None)
            content = _adopt(session, path, artifact)
            if content is None:
                return False
            parsed = parse_list(content.decode("utf-8", "replace"))
            if parsed.problems or not parsed.lines:
                sentence = "; ".join(parsed.problems[:5]) or "the list is empty; nothing was excluded"
                self.problems[str(path)] = sentence
                logger.warning("%s was edited and cannot be read in full: %s", path, sentence)
            changed = _record(session, character_id, parsed, list(artifact.detail.get("clips", ())))
            if changed:
                events.append(session, "transcripts.edited", character_id=character_id, clips=sorted(changed))
                logger.info("%d transcripts of %s were edited by hand", len(changed), character.name)
            return bool(changed)


def _adopt(session: Session, path: Path, artifact: Artifact) -> bytes | None:
    """Return the list's bytes if they are not those on record, and put them on record."""
    output = dict(artifact.outputs[0])
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (output["size_bytes"], output["mtime_ns"]):
            return None
        content = path.read_bytes()
    except FileNotFoundError:
        return None  # a missing output makes its item stale, as with every step
    sha256 = hashlib.sha256(content).hexdigest()
    same = sha256 == output["sha256"]
    output |= {"size_bytes": len(content), "mtime_ns": status.st_mtime_ns, "sha256": sha256}
    artifact.outputs = [output, *artifact.outputs[1:]]
    session.add(artifact)
    return None if same else content


def _record(session: Session, character_id: int, parsed: ListFile, listed: list[str]) -> set[str]:
    """Compare the lines with what is on record and return the clips that changed."""
    query = select(TranscriptEdit).where(TranscriptEdit.character_id == character_id)
    edits = {edit.clip: edit for edit in session.exec(query).all()}
    recognised = select(Artifact).where(
        Artifact.character_id == character_id, Artifact.step == StepName.ASR_TRANSCRIBE.value
    )
    made = {row.item: row.detail for row in session.exec(recognised).all() if row.item != LIST_ITEM}
    lines = {line.name: line for line in parsed.lines}
    changed = {
        clip for clip, line in lines.items() if clip in made and _apply(session, character_id, line, made[clip], edits)
    }
    if parsed.problems or not lines:
        return changed
    for clip in listed:
        edit = edits.get(clip)
        if clip not in lines and not (edit and edit.excluded):
            edit = edit or TranscriptEdit(character_id=character_id, clip=clip)
            edit.excluded, edit.updated_at = True, now()
            session.add(edit)
            changed.add(clip)
    return changed


def _apply(
    session: Session, character_id: int, line: ListLine, detail: dict[str, Any], edits: dict[str, TranscriptEdit]
) -> bool:
    edit = edits.get(line.name)
    current = (as_listed(str(detail.get("text") or "")), detail.get("language"))
    as_made = (as_listed(line.text), line.language) == current and not detail.get("dropped")
    if as_made and edit is None:
        return False
    heard = unedited(detail)
    as_heard = heard.text is not None and (as_listed(line.text), line.language) == (
        as_listed(heard.text),
        heard.language,
    )
    if edit is not None and as_heard and not heard.dropped:
        session.delete(edit)  # what was heard is right after all
        return True
    edit = edit or TranscriptEdit(character_id=character_id, clip=line.name)
    if (edit.text, edit.language, edit.excluded) == (line.text, line.language, False):
        return False
    if as_made and not edit.excluded and edit.text is not None and as_listed(edit.text) == as_listed(line.text):
        return False
    edit.text, edit.language, edit.excluded, edit.updated_at = line.text, line.language, False, now()
    session.add(edit)
    return True


def _artifact(session: Session, character_id: int, item: str) -> Artifact | None:
    query = select(Artifact).where(
        Artifact.character_id == character_id,
        Artifact.step == StepName.ASR_TRANSCRIBE.value,
        Artifact.item == item,
    )
    return session.exec(query).first()
