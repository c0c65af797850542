"""What people make of transcripts: each edit is one row, and a row that says nothing new is taken away again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, select

from daemon import events
from daemon.errors import InvalidInputError
from daemon.tables import Character, TranscriptEdit, now
from pipeline.listfile import SEPARATOR

LANGUAGES = ("zh", "en", "ja", "ko", "yue")
MAX_TEXT_CHARACTERS = 2000
EDITED = "transcripts.edited"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a clip's transcript shall be; None: as it is without an edit."""

    text: str | None = None
    language: str | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """What a clip's transcript is without an edit, as far as that is remembered."""

    text: str | None = None
    language: str | None = None
    dropped: bool = False


def unedited(detail: Mapping[str, Any]) -> Before:
    """Return what was recognised, from what is on record about a clip's transcript."""
    heard = detail.get("unedited") or (detail if detail.get("source") == "asr" else {})
    return Before(heard.get("text"), heard.get("language"), bool(heard.get("dropped")))


def present(edit: TranscriptEdit | None) -> Wanted:
    """Return what a row says."""
    return Wanted(edit.text, edit.language, edit.excluded) if edit is not None else Wanted()


def checked(wanted: Wanted) -> Wanted:
    """Return what is wanted with its text as list files carry it.

    Raises:
        InvalidInputError: the text is empty, too long or holds what is no character; the language is unknown.
    """
    if wanted.language is not None and wanted.language not in LANGUAGES:
        raise InvalidInputError(f"language: {wanted.language!r} is unknown; use {', '.join(LANGUAGES)}")
    if wanted.text is None:
        return wanted
    if any("\ud800" <= each <= "\udfff" for each in wanted.text):
        raise InvalidInputError("text: it holds half of a surrogate pair, which is no character")
    text = as_listed("".join(each for each in wanted.text if each.isprintable() or each.isspace()))
    if not text:
        raise InvalidInputError("text: there is nothing in it; set `excluded` to leave a clip out")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidInputError(f"text: {len(text)} characters are more than the limit of {MAX_TEXT_CHARACTERS}")
    return replace(wanted, text=text)


def put(session: Session, character: Character, clip: str, wanted: Wanted, before: Before) -> bool:
    """Have a clip's transcript be what is wanted and return whether that changed anything.

    What equals the transcript without an edit is no edit. The caller appends the event (`announce`).
    """
    assert character.id is not None
    edit = find(session, character, clip)
    wanted = _essential(wanted, before)
    if wanted == present(edit):
        return False
    if wanted == Wanted():
        session.delete(edit)
        return True
    edit = edit or TranscriptEdit(character_id=character.id, clip=clip)
    edit.text, edit.language, edit.excluded, edit.updated_at = wanted.text, wanted.language, wanted.excluded, now()
    session.add(edit)
    return True


def _essential(wanted: Wanted, before: Before) -> Wanted:
    """Leave out what is as it was; a text that was dropped becomes usable only because a person says it again."""
    same_language = wanted.language in (None, before.language)
    if wanted.text is None:
        return replace(wanted, language=None) if same_language else wanted
    said_before = before.text is not None and as_listed(before.text) == wanted.text and not before.dropped
    return replace(wanted, text=None, language=None) if said_before and same_language else wanted


def announce(session: Session, character: Character, clips: set[str]) -> None:
    """Append the event of changed clips."""
    if clips:
        events.append(session, EDITED, character_id=character.id, clips=sorted(clips))


def find(session: Session, character: Character, clip: str) -> TranscriptEdit | None:
    """Return the edit of a clip, if any."""
    query = select(TranscriptEdit).where(TranscriptEdit.character_id == character.id, TranscriptEdit.clip == clip)
    return session.exec(query).one_or_none()


def of_character(session: Session, character: Character) -> dict[str, TranscriptEdit]:
    """Return all edits by clip."""
    query = select(TranscriptEdit).where(TranscriptEdit.character_id == character.id)
    return {edit.clip: edit for edit in session.exec(query).all()}


def as_listed(text: str) -> str:
    """Return a text as the list file carries it: one line without the separator."""
    return " ".join(text.replace(SEPARATOR, " ").split())
