"""A WAV file that can be read while it is written: it lies beside its target until it is complete."""

from __future__ import annotations

import os
import wave
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

DATA_OFFSET = 44
"""Bytes before the sound."""


class GrowingWav:
    """Writes mono 16-bit sound to `path`, and renames it to its target at the end; a context manager.

    Who has opened `path` before can go on reading after that. An exception removes the file.
    """

    def __init__(self, target: Path, rate_hz: int) -> None:
        """Open the file, and make its folder if needed.

        Raises:
            OSError: it cannot be written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path = target.with_name(f".{target.name}.part")
        self.bytes = 0
        """Bytes of sound that are written."""
        self._target = target
        self._stream = self.path.open("wb")
        self._wave = wave.open(self._stream, "wb")  # noqa: SIM115  # closed on leaving
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(rate_hz)

    def append(self, samples: NDArray[np.int16]) -> None:
        """Write int16 [samples] so that readers see them.

        Raises:
            OSError: they cannot be written.
        """
        self._wave.writeframesraw(samples.astype("<i2").tobytes())
        self._stream.flush()
        self.bytes += 2 * len(samples)

    def __enter__(self) -> GrowingWav:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file and put it in place, or remove it after an exception."""
        try:
            with self._stream:
                self._complete(wanted=error is None)
            if error is None:
                self.path.replace(self._target)
        finally:
            self.path.unlink(missing_ok=True)

    def _complete(self, *, wanted: bool) -> None:
        """Write the length into the header; a file that is not wanted need not be complete."""
        try:
            self._wave.close()
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError:
            if wanted:
                raise
