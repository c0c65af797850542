"""What the first bytes of a WAV or FLAC file say, so that most recordings need no decoder to be taken.

Sources: Microsoft's RIFF WAVE description (chunks `fmt ` and `data`), RFC 9639 (FLAC STREAMINFO).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
UNKNOWN_LENGTHS = frozenset({0, 0x7FFFFFFF, 0xFFFFFFFF})
"""What programs write that do not know the length beforehand."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a header tells. `duration_s` None: a decoder has to look."""

    duration_s: float | None = None
    sample_rate_hz: int | None = None
    missing_bytes: int = 0
    """How much of the file its own header says is not there."""
    data_start: int = 0
    """Offset of the samples; 0 when they cannot be judged as plain numbers."""


def read_header(head: bytes, size_bytes: int) -> HeaderFacts:
    """Read the header in the first bytes of a file; an unknown one gives empty facts."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(head, size_bytes)
    if head[:4] == b"fLaC" and len(head) >= 26:
        return _flac(head)
    return HeaderFacts()


def _wav(head: bytes, size_bytes: int) -> HeaderFacts:
    offset = 12
    rate = frame_bytes = encoding = 0
    while offset + 8 <= len(head):
        name, length = head[offset : offset + 4], struct.unpack_from("<I", head, offset + 4)[0]
        if name == b"fmt " and length >= 16 and offset + 24 <= len(head):
            encoding, _, rate, _, frame_bytes, _ = struct.unpack_from("<HHIIHH", head, offset + 8)
        if name == b"data":
            return _wav_data(offset + 8, length, size_bytes, (rate, frame_bytes, encoding))
        offset += 8 + length + length % 2
    return HeaderFacts(missing_bytes=max(0, offset - size_bytes)) if offset > size_bytes else HeaderFacts()


def _wav_data(start: int, length: int, size_bytes: int, form: tuple[int, int, int]) -> HeaderFacts:
    rate, frame_bytes, encoding = form
    if length in UNKNOWN_LENGTHS or not rate or not frame_bytes or encoding not in {PCM, FLOAT, EXTENSIBLE}:
        return HeaderFacts()
    missing = max(0, start + length - size_bytes)
    return HeaderFacts(length / frame_bytes / rate, rate, missing, start)


def _flac(head: bytes) -> HeaderFacts:
    packed = int.from_bytes(head[18:26], "big")
    rate, frames = packed >> 44, packed & ((1 << 36) - 1)
    return HeaderFacts(frames / rate, rate) if rate and frames else HeaderFacts()
