"""`python -m pipeline.pack`: put spoken sentences into a zip archive, encoded; subtitles get a common track as well.

Reads one PackOrder as JSON from standard input.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.encode import encode
from pipeline.protocol import PackItem, PackOrder
from pipeline.sound_formats import SoundFormat

TRACK = "track"
LISTING = "texts.tsv"
Samples = NDArray[np.int16]


def pack(order: PackOrder) -> None:
    """Write the archive: one sound a sentence, the list of texts, and the track when sentences have a time.

    Raises:
        OSError: a sound cannot be read, or the archive not be written.
    """
    sound_format = SoundFormat(order.sound_format)
    # Sounds are packed already, so deflating them only costs time.
    with zipfile.ZipFile(order.target, "w", zipfile.ZIP_STORED) as archive:
        for item in order.items:
            samples, rate_hz = _read(item.path)
            archive.writestr(f"{item.name}.{sound_format}", _encoded(samples, rate_hz, sound_format))
        archive.writestr(LISTING, _listing(order, sound_format))
        timed = [item for item in order.items if item.start_s is not None]
        if timed:
            track, rate_hz = _track(timed)
            archive.writestr(f"{TRACK}.{sound_format}", _encoded(track, rate_hz, sound_format))


def _read(path: str) -> tuple[Samples, int]:
    with wave.open(path, "rb") as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2"), sound.getframerate()


def _encoded(samples: Samples, rate_hz: int, sound_format: SoundFormat) -> bytes:
    output = io.BytesIO()
    if sound_format is SoundFormat.WAV:  # its header needs the length, which the encoder does not know
        with wave.open(output, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate_hz)
            sound.writeframes(samples.astype("<i2").tobytes())
    else:
        encode(io.BytesIO(samples.astype("<i2").tobytes()), output, sound_format, rate_hz)
    return output.getvalue()


def _track(items: list[PackItem]) -> tuple[Samples, int]:
    """Return all sentences in one sound; one that is late because another is still spoken follows it at once."""
    parts: list[Samples] = []
    length = rate_hz = 0
    for item in sorted(items, key=lambda each: each.start_s or 0.0):
        samples, rate_hz = _read(item.path)
        pause = max(0, round((item.start_s or 0.0) * rate_hz) - length)
        parts += [np.zeros(pause, np.int16), samples]
        length += pause + len(samples)
    return np.concatenate(parts), rate_hz


def _listing(order: PackOrder, sound_format: SoundFormat) -> str:
    output = io.StringIO()
    writer = csv.writer(output, delimiter="\t", lineterminator="\n")
    writer.writerow(["file", "start_s", "text"])
    writer.writerows(_rows(order, sound_format))
    return output.getvalue()


def _rows(order: PackOrder, sound_format: SoundFormat) -> Iterator[tuple[str, str, str]]:
    for item in order.items:
        start = "" if item.start_s is None else f"{item.start_s:.3f}"
        yield f"{item.name}.{sound_format}", start, item.text


def main() -> int:
    """Pack and return 0."""
    found = json.load(sys.stdin)
    pack(PackOrder(found["target"], found["sound_format"], tuple(PackItem(**item) for item in found["items"])))
    return 0 if Path(found["target"]).exists() else 1


if __name__ == "__main__":
    sys.exit(main())
