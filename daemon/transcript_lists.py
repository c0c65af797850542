"""Transcripts as public list files: written from what counts now, and read as edits of clips and recordings."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import Session

from daemon import characters, clips, recordings, transcript_edits
from daemon.clips import Clip
from daemon.database import Database
from daemon.settings import Settings
from daemon.tables import AudioFile, Character
from daemon.transcript_edits import LANGUAGES, Wanted
from pipeline.listfile import ListLine, format_list, parse_list

KEPT_PROBLEMS = 100


@dataclass(slots=True)
class Imported:
    """What became of the lines of a list."""

    changed: int = 0
    unchanged: int = 0
    unknown: list[str] = field(default_factory=list)
    """Files that are neither a clip nor a recording of the character."""
    problems: list[str] = field(default_factory=list)
    """Lines that could not be read, one sentence each."""


def export(session: Session, settings: Settings, character: Character) -> str:
    """Return the list file of all clips that are trained on, with what counts as their transcript now."""
    found = clips.listable(clips.of_character(session, settings, character))
    lines = [
        ListLine(f"sliced_audio/{clip.name}", character.name, clip.language, clip.text)
        for clip in found
        if clip.text is not None and clip.language in LANGUAGES and clip.language is not None
    ]
    return format_list(lines)


def take(database: Database, settings: Settings, name: str, text: str) -> Imported:
    """Read a list file: each line is the transcript of the clip or of the recording that it names by its base name.

    Raises:
        NotFoundError: no such character.
    """
    parsed = parse_list(text)
    done = Imported(problems=list(parsed.problems[:KEPT_PROBLEMS]))
    with database.write() as session:
        character = characters.get(session, name)
        known = {clip.name: clip for clip in clips.of_character(session, settings, character)}
        files = {row.filename: row for row in recordings.listing(session, character)}
        changed = set()
        for line in parsed.lines:
            if line.name in known:
                if _to_clip(session, character, known[line.name], line):
                    changed.add(line.name)
            elif line.name in files:
                done.changed += _to_recording(session, files[line.name], line)
            else:
                done.unknown.append(line.name)
        transcript_edits.announce(session, character, changed)
    done.changed += len(changed)
    done.unchanged = len(parsed.lines) - done.changed - len(done.unknown)
    return done


def _to_clip(session: Session, character: Character, clip: Clip, line: ListLine) -> bool:
    text = transcript_edits.as_listed(line.text)
    as_is = clip.text is not None and transcript_edits.as_listed(clip.text) == text and clip.language == line.language
    if as_is and clip in clips.listable([clip]):
        return False  # what was exported comes back; a text that came with the recording is no edit either
    return transcript_edits.put(session, character, clip.name, Wanted(text, line.language), clip.before)


def _to_recording(session: Session, row: AudioFile, line: ListLine) -> bool:
    text = transcript_edits.as_listed(line.text)
    if (row.transcript_text, row.transcript_language) == (text, line.language):
        return False
    recordings.set_transcript(session, row, text, line.language)
    return True
