"""The formats in which spoken sound is given out; a description that loads nothing."""

from __future__ import annotations

from enum import StrEnum


class SoundFormat(StrEnum):
    """A format by the name that the public speech API gives it, which is also the file extension."""

    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    PCM = "pcm"
    """Raw 16-bit little-endian mono samples at 24 kHz."""

    @property
    def media_type(self) -> str:
        """The media type of HTTP."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    SoundFormat.WAV: "audio/wav",
    SoundFormat.FLAC: "audio/flac",
    SoundFormat.MP3: "audio/mpeg",
    SoundFormat.OPUS: "audio/ogg",
    SoundFormat.AAC: "audio/aac",
    SoundFormat.PCM: "audio/pcm",
}
