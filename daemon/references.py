"""The reference of a sentence: which audio sets the voice, and what is said in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session, select

from daemon import recordings
from daemon.errors import ConflictError, InvalidInputError
from daemon.layout import Layout
from daemon.names import AUDIO_EXTENSIONS
from daemon.tables import Artifact, AudioFile, Character
from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.languages import Mode, language_of_list, mode_for_language
from pipeline.steps import LIST_ITEM, StepName

CLIP_RATE_HZ = 32_000
"""Clip names count samples of the converted audio, which all families want at this rate."""
SHORTEST_S = 3.0
LONGEST_S = 10.0
"""The range of a reference that the networks were made for."""
IDEAL_S = 6.0
_CLIP_SPAN = re.compile(r"_(\d{10})_(\d{10})\.wav$")


@dataclass(frozen=True, slots=True)
class Reference:
    """A file to take the voice from. Without a text the voice is taken from the sound alone."""

    path: Path
    text: str = ""
    mode: str = Mode.ALL_ZH
    """How the text is read."""


@dataclass(frozen=True, slots=True)
class _Clip:
    name: str
    path: Path
    text: str
    language: str | None
    confidence: float
    """Mean log-probability of the recognised words, 0 for a text that a person gave; higher is better."""
    duration_s: float
    given: bool = False
    """Whether a person gave the text."""


def best(session: Session, layout: Layout, character: Character) -> Reference:
    """Choose the reference of a character: 3 to 10 s, transcript known, recognised with the most confidence.

    A voice that was trained elsewhere may have no clips yet; then recordings that came with a transcript will do.

    Raises:
        ConflictError: the character has neither yet.
    """
    clips = list(_clips(session, layout, character)) or list(_whole_recordings(session, layout, character))
    if not clips:
        raise ConflictError(f"character {character.name!r} has no clip with a transcript yet; process its audio first")
    chosen = max(clips, key=_merit)
    return Reference(chosen.path, chosen.text, _mode(chosen.language))


def known_clips(session: Session, layout: Layout, character: Character) -> list[Reference]:
    """Return the clips of a character, the most trusted first; a text that was only recognised is left out ("")."""
    clips = sorted(_clips(session, layout, character), key=_merit, reverse=True)
    return [Reference(clip.path, clip.text if clip.given else "", _mode(clip.language)) for clip in clips]


def resolve(session: Session, layout: Layout, character: Character, ref_audio: str) -> Reference:
    """Find the reference that a client named, with its transcript where one is known.

    Args:
        session: a reading session.
        layout: the folders.
        character: whose voice it is.
        ref_audio: base name of a recording or clip of the character, or a path inside the work directory (absolute
            or relative to it) or the inbox.

    Raises:
        InvalidInputError: it is nothing of these.
    """
    if not ref_audio or "\0" in ref_audio:
        raise InvalidInputError("ref_audio: the name of a file is missing")
    if "/" not in ref_audio and "\\" not in ref_audio:
        path = _named(session, layout, character, ref_audio)
    else:
        path = _inside(layout, ref_audio)
    if path is None or path.suffix.lower() not in AUDIO_EXTENSIONS:
        raise InvalidInputError(
            f"ref_audio: {ref_audio!r} is neither a recording or clip of {character.name!r} nor an audio file inside "
            "the work directory or the inbox"
        )
    text, language = _transcript(session, layout, character, path)
    return Reference(path, text, _mode(language))


def _mode(language: str | None) -> Mode:
    """Return how a transcript is read; one of unknown language is read as it looks."""
    try:
        return mode_for_language(language_of_list(language)) if language else Mode.AUTO
    except TextError:
        return Mode.AUTO


def _named(session: Session, layout: Layout, character: Character, name: str) -> Path | None:
    row = recordings.find(session, character, name)
    if row is not None:
        return _regular(layout.raw_audio(character.name) / row.filename)
    return _clip_path(layout, character, name)


def _inside(layout: Layout, text: str) -> Path | None:
    given = Path(text)
    candidates = (given,) if given.is_absolute() else (layout.work_dir / given, layout.inbox_dir / given)
    roots = (layout.work_dir.resolve(), layout.inbox_dir.resolve())
    for candidate in candidates:
        found = _regular(candidate)
        if found is not None and any(found.is_relative_to(root) for root in roots):
            return found
    return None


def _regular(path: Path) -> Path | None:
    """Return the file behind a path with all links followed, None unless it is an ordinary file."""
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    return resolved if resolved.is_file() else None


def _transcript(session: Session, layout: Layout, character: Character, path: Path) -> tuple[str, str | None]:
    """Return what is known to be said in a file of the character: a clip, or a recording that is one clip."""
    row = recordings.find(session, character, path.name)
    if row is not None and path == _regular(layout.raw_audio(character.name) / row.filename):
        return _recording_transcript(session, layout, character, row)
    for clip in _clips(session, layout, character):
        if clip.name == path.name:
            return clip.text, clip.language
    return "", None


def _recording_transcript(
    session: Session, layout: Layout, character: Character, row: AudioFile
) -> tuple[str, str | None]:
    if row.transcript_text is not None:
        return row.transcript_text, row.transcript_language
    mine = [clip for clip in _clips(session, layout, character) if _recording_of(clip.name) == row.filename]
    covered_s = sum(clip.duration_s for clip in mine)
    if len(mine) == 1 and row.duration_s is not None and covered_s > 0.8 * row.duration_s:
        return mine[0].text, mine[0].language
    return "", None


def _clips(session: Session, layout: Layout, character: Character) -> Iterator[_Clip]:
    """Yield the clips of the present recordings that have a transcript and are on the disk."""
    present = {row.filename for row in recordings.listing(session, character)}
    query = select(Artifact).where(
        Artifact.character_id == character.id, Artifact.step == StepName.ASR_TRANSCRIBE.value
    )
    for artifact in session.exec(query):
        text = str(artifact.detail.get("text") or "").strip()
        if artifact.item == LIST_ITEM or artifact.detail.get("dropped") or not text:
            continue
        path = _clip_path(layout, character, artifact.item)
        if path is not None and _recording_of(artifact.item) in present:
            yield _Clip(
                artifact.item,
                path,
                text,
                artifact.detail.get("language"),
                _confidence(artifact),
                _duration_s(artifact),
                given="scores" not in artifact.detail,
            )


def _whole_recordings(session: Session, layout: Layout, character: Character) -> Iterator[_Clip]:
    """Yield the recordings that came with a transcript and are on the disk."""
    for row in recordings.listing(session, character):
        path = _regular(layout.raw_audio(character.name) / row.filename)
        if path is not None and row.transcript_text and row.duration_s is not None:
            yield _Clip(row.filename, path, row.transcript_text, row.transcript_language, 0.0, row.duration_s)


def _clip_path(layout: Layout, character: Character, name: str) -> Path | None:
    """Return the clip, the denoised one if there is one."""
    root = layout.character(character.name)
    for folder in ("denoised_audio", "sliced_audio"):
        path = root / folder / name
        if name == Path(name).name and path.is_file() and not path.is_symlink():
            return path
    return None


def _confidence(artifact: Artifact) -> float:
    scores = artifact.detail.get("scores")
    found = scores.get("average_log_probability") if isinstance(scores, dict) else None
    return float(found) if isinstance(found, int | float) else 0.0


def _duration_s(artifact: Artifact) -> float:
    span = _CLIP_SPAN.search(artifact.item)
    return (int(span[2]) - int(span[1])) / CLIP_RATE_HZ if span else 0.0


def _recording_of(clip: str) -> str:
    return _CLIP_SPAN.sub("", clip)


def _merit(clip: _Clip) -> tuple[bool, float, float, str]:
    """Order clips: a fitting length first, then well recognised (in steps of 0.1), then near the ideal length."""
    fits = SHORTEST_S <= clip.duration_s <= LONGEST_S
    distance_s = abs(clip.duration_s - IDEAL_S)
    return fits, round(clip.confidence, 1) if fits else 0.0, -distance_s, clip.name
