"""HTTP ranges (RFC 9110, section 14): which bytes of a file a request wants."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end`, the last one included."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start + 1


class UnsatisfiableRangeError(Exception):
    """A range that begins behind the end of the file."""


def parse_range(header: str | None, size_bytes: int) -> Span | None:
    """Return the one range that is asked for, None for the whole file.

    Several ranges, other units and malformed headers are answered with the whole file, as the RFC allows.

    Raises:
        UnsatisfiableRangeError: no byte of the file lies in the range.
    """
    match = _RANGE.fullmatch(header.strip()) if header and len(header) < 100 else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        suffix = int(last)
        if suffix == 0 or size_bytes == 0:
            raise UnsatisfiableRangeError
        return Span(max(0, size_bytes - suffix), size_bytes - 1)
    start = int(first)
    end = int(last) if last else size_bytes - 1
    if last and end < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return Span(start, min(end, size_bytes - 1))


def names_etag(header: str, etag: str) -> bool:
    """Return whether an If-None-Match header names this version (weak comparison)."""
    wanted = etag.removeprefix("W/")
    return any(each.strip().removeprefix("W/") in (wanted, "*") for each in header.split(","))
