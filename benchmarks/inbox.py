"""How long it takes to take and reconcile many recordings, beside `sha256sum` over the same bytes.

Run: python -m benchmarks.inbox [--files 10000] [--kilobytes 160]
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks._report import Row, at_most, publish
from daemon import migrate
from daemon.database import Database
from daemon.inbox import Inbox
from daemon.layout import Layout
from daemon.settings import Settings

RATE_HZ = 16_000


def main() -> None:
    """Measure in a temporary folder and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, default=160, help="size of a file; 160 is five seconds at 16 kHz")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; default: the temporary folder")
    chosen = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="inbox-benchmark-", dir=chosen.folder))
    try:
        publish("inbox", f"Inbox, {chosen.files} files of {chosen.kilobytes} kB", _measure(state, chosen))
    finally:
        shutil.rmtree(state, ignore_errors=True)


def _measure(state: Path, chosen: argparse.Namespace) -> list[Row]:
    paths = {"work_dir": state / "work", "inbox_dir": state / "inbox"}
    options = {"watch": "off", "settle_seconds": 0, "free_bytes_reserve": 0}
    settings = Settings.model_validate({"paths": paths, "inbox": options})
    layout = Layout.of(settings)
    layout.create()
    _fill(layout.inbox("anna"), chosen.files, chosen.kilobytes * 1000)
    os.sync()
    listing = "\0".join(str(path) for path in sorted(layout.inbox("anna").iterdir())).encode()
    sha256sum = _hash_all(listing)
    sha256sum = min(sha256sum, _hash_all(listing))  # the second time surely from memory, as for the inbox
    database = Database(layout.database)
    migrate.upgrade(database)
    inbox = Inbox(database, layout, settings, enqueue=lambda _: None)
    began = time.perf_counter()
    inbox.start()
    inbox.tick()
    taking = time.perf_counter() - began
    taken = sum(1 for _ in layout.raw_audio("anna").iterdir())
    assert taken == chosen.files, f"only {taken} of {chosen.files} were taken: {inbox.describe()}"
    began = time.perf_counter()
    inbox.stop()
    again = Inbox(database, layout, settings, enqueue=lambda _: None)
    again.start()
    first = time.perf_counter() - began
    began = time.perf_counter()
    again.reconcile()
    nothing_new = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(100):
        again.tick()
    idle_ms = (time.perf_counter() - began) * 10
    again.stop()
    database.close()
    return [
        Row("sha256sum over the same bytes", sha256sum, "s"),
        Row("taking and reconciling", taking, "s"),
        at_most("ratio to sha256sum", taking / sha256sum, "", 1.5),
        Row("taken in a second", chosen.files / taking, "files"),
        at_most("full reconcile after a restart, nothing new", first, "s", 0.5),
        at_most("reconcile on demand, nothing new", nothing_new, "s", 0.5),
        Row("one idle tick", idle_ms, "ms"),
    ]


def _fill(folder: Path, files: int, size_bytes: int) -> None:
    """Write WAV files that differ from one another."""
    folder.mkdir(parents=True)
    samples = size_bytes - 44
    noise = os.urandom(samples)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ,
                         2 * RATE_HZ, 2, 16, b"data", samples)  # fmt: skip
    for number in range(files):
        (folder / f"recording {number:05d}.wav").write_bytes(header + struct.pack("<I", number) + noise[4:])


def _hash_all(listing: bytes) -> float:
    began = time.perf_counter()
    subprocess.run(["xargs", "-0", "sha256sum"], input=listing, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
