"""Names of the files that steps read and write, and which recording names the public formats can carry."""

from __future__ import annotations

import unicodedata

MAX_RECORDING_BYTES = 200
"""Clips, transcripts and features add up to 40 bytes to a recording's name; file systems allow 255."""


def problem_with_name(recording: str) -> str | None:
    """Return why a recording's name cannot be carried through the list files and clip names, or None."""
    if len(recording.encode()) > MAX_RECORDING_BYTES:
        return f"the name is longer than {MAX_RECORDING_BYTES} bytes; rename the recording"
    if "|" in recording or "/" in recording or any(unicodedata.category(each) == "Cc" for each in recording):
        return "the name holds a vertical bar, a slash or a control character, which list files cannot; rename it"
    return None


def converted_path(recording: str) -> str:
    """Where a recording's converted form lies, relative to the character's folder."""
    return f"converted_audio/{recording}.wav"


def clip_name(recording: str, start: int, end: int) -> str:
    """Name a clip by its first and last sample in the converted recording."""
    return f"{recording}_{start:010d}_{end:010d}.wav"


def recording_of(clip: str) -> str:
    """Return the recording that a clip was cut from."""
    return clip.removesuffix(".wav").rsplit("_", 2)[0]


def sliced_path(clip: str) -> str:
    """Where a clip lies as it was cut."""
    return f"sliced_audio/{clip}"


def denoised_path(clip: str) -> str:
    """Where a clip lies with its noise reduced."""
    return f"denoised_audio/{clip}"


def transcript_path(clip: str) -> str:
    """Where a clip's transcript with its scores lies."""
    return f"transcripts/clips/{clip}.json"


def list_path(character: str) -> str:
    """Where the list of all clips lies."""
    return f"transcripts/{character}.list"
