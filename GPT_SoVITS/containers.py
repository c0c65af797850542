"""What an audio file says about itself before it is decoded: format, length, and whether bytes are missing.

Files come from strangers, so only the containers listed here are opened, from disk alone, and only regular files.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from GPT_SoVITS.errors import AudioError

DEMUXERS = (
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,mov,mp4,m4a,3gp,3g2,matroska,webm,asf,avi,flv,mpeg,mpegts,amr,amrnb,amrwb,"
    "ape,wv,tta,ac3,eac3,dts,dsf,tak,mpc,mpc8,oma,rm,vob"
)
"""FFmpeg demuxers that may open a file: no playlists (they name other files), no images, no text."""

UNKNOWN_DATA_BYTES = 0x7FFF_F000
"""Recorders that cannot seek write a length from here up, or 0, for "until the end"."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What the headers of a file tell about its first audio stream."""

    duration_s: float | None
    """The declared duration; None where the container has none or only a guess."""
    rate_hz: int
    channels: int
    codec: str
    container: str


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Open a file with PyAV.

    Raises:
        AudioError: the file is not audio, is empty, or bytes are missing at its end.
        OSError: the file cannot be read at all.
    """
    _check_readable(path)
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS}
    try:
        container = av.open(f"file:{path.absolute()}", container_options=options, metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise_if_unreadable(path)
        raise AudioError(f"{path.name} is not an audio file that can be decoded") from error
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path.name} holds no audio stream")
        yield container


def probe(path: Path) -> AudioFacts:
    """Read the headers of a file; nothing is decoded.

    Raises:
        AudioError: not audio, empty, truncated, or without a usable audio stream.
        OSError: the file cannot be read.
    """
    with open_container(path) as container:
        return facts_of(path, container)


def facts_of(path: Path, container: Any) -> AudioFacts:
    """Return the facts of an open container's first audio stream.

    Raises:
        AudioError: the stream has no rate or no decoder.
    """
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or not context.sample_rate or not context.channels:
        raise AudioError(f"{path.name} holds an audio stream that cannot be decoded")
    return AudioFacts(
        duration_s=_declared_duration(path, container, stream),
        rate_hz=int(context.sample_rate),
        channels=int(context.channels),
        codec=str(context.name),
        container=str(container.format.name),
    )


def raise_if_unreadable(path: Path) -> None:
    """Tell a disk that fails from a file that is wrong: read all of it.

    Raises:
        OSError: the bytes cannot be read (this is worth another try later).
    """
    with path.open("rb") as stream:
        while stream.read(1 << 20):
            pass


def _check_readable(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{path.name} is not a regular file")
    if status.st_size == 0:
        raise AudioError(f"{path.name} is empty (0 bytes)")
    with path.open("rb") as stream:
        missing = _missing_bytes(stream, status.st_size)
        cut = _last_page_is_cut(stream, status.st_size)
    if cut:
        raise AudioError(f"{path.name} is truncated: its last page is incomplete")
    if missing:
        raise AudioError(
            f"{path.name} is truncated: {missing} bytes of the sound that its header announces are missing"
        )


def _missing_bytes(stream: BinaryIO, size_bytes: int) -> int:
    """Return how many bytes a RIFF/WAVE file lacks; 0 for other formats and for streamed ones of unknown length."""
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return 0
    while len(chunk := stream.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            return _shortfall(length, size_bytes - stream.tell())
        stream.seek(length + length % 2, 1)
    return 0


def _last_page_is_cut(stream: BinaryIO, size_bytes: int) -> bool:
    """Whether an Ogg file ends inside a page (27 bytes of header, a table of segment lengths, the segments)."""
    stream.seek(0)
    if stream.read(4) != b"OggS":
        return False
    start = max(0, size_bytes - (1 << 17))
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"OggS")
    page = tail[at:]
    if at < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _shortfall(announced: int, present: int) -> int:
    if announced == 0 or announced >= UNKNOWN_DATA_BYTES:
        return 0
    missing = announced - present
    # A few bytes too many in the header are a habit of some recorders and cost nothing audible.
    return missing if missing > min(4096, announced // 100) else 0


def _declared_duration(path: Path, container: Any, stream: Any) -> float | None:
    """Return the duration in seconds where the format stores one; an estimate from the bit rate is no declaration."""
    names = set(container.format.name.split(","))
    if names & {"aac", "mpegts", "mpeg", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb", "ogg", "avi", "flv", "rm"}:
        return None
    if "mp3" in names and not _has_frame_count(path):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    alone = len(container.streams) == 1
    return container.duration / av.time_base if container.duration and alone else None


def _has_frame_count(path: Path) -> bool:
    """Whether an MP3 carries a Xing, Info or VBRI header, which states its number of frames."""
    with path.open("rb") as stream:
        head = stream.read(10)
        start = 0
        if head[:3] == b"ID3" and len(head) == 10:
            start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        stream.seek(start)
        first_frame = stream.read(512)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
