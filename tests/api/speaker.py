"""Stands in for the voice lane and its worker: speaks what is queued as a tone, piece by piece, into growing files."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon import inferences
from daemon.tables import Inference
from pipeline.growing_wav import DATA_OFFSET
from tests.daemon.installation import Installation
from tests.waiting import PATIENCE_S

RATE_HZ = 32_000
PIECE_S = 0.5


class Speaker:
    """Speaks until stopped. `gate` holds it back before the last piece; `refused` are texts that cannot be spoken."""

    def __init__(self, installation: Installation, pieces: int = 3) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.spoken: list[str] = []
        self.refused: set[str] = set()
        self._installation, self._pieces = installation, pieces
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Speaker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.gate.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            row = inferences.claim(self._installation.database)
            if row is None:
                time.sleep(0.01)
            elif row.target_text in self.refused:
                inferences.fail(self._installation.database, row.id, "this cannot be spoken")
            else:
                self._speak(row)

    def _speak(self, row: Inference) -> None:
        database, work_dir = self._installation.database, self._installation.layout.work_dir
        target = work_dir / inferences.output_path(row)
        growing = target.with_name(f".{target.name}.part")
        total = 0
        with growing.open("wb") as stream:
            stream.write(_header(0))
            for number in range(self._pieces):
                if number == self._pieces - 1:
                    self.gate.wait(PATIENCE_S)
                if inferences.cancel_is_requested(database, row.id):
                    growing.unlink()
                    inferences.cancelled(database, row.id)
                    return
                total += stream.write(_tone())
                stream.flush()
                facts = {
                    "path": str(growing.relative_to(work_dir)), "offset": DATA_OFFSET, "bytes": total,
                    "sample_rate_hz": RATE_HZ,
                }  # fmt: skip
                inferences.sounded(database, row.id, facts)
            stream.seek(0)
            stream.write(_header(total))
        growing.replace(target)
        self.spoken.append(row.target_text)
        inferences.finish(database, row.id, {"sample_rate_hz": RATE_HZ, "seconds": total / 2 / RATE_HZ})


def _tone() -> bytes:
    samples = (int(9000 * math.sin(2 * math.pi * 440 * n / RATE_HZ)) for n in range(int(RATE_HZ * PIECE_S)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


def _header(size: int) -> bytes:
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16, b"data", size,
    )  # fmt: skip


@contextmanager
def speaking(installation: Installation) -> Iterator[Speaker]:
    """Have everything that is queued spoken."""
    with Speaker(installation) as speaker:
        yield speaker


def seconds_of(path: Path) -> float:
    """Return the duration of any sound."""
    from GPT_SoVITS.audio import decode

    return len(decode(path, RATE_HZ).samples) / RATE_HZ
