"""Bad input gets its reason, the rest goes on, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

CLIPS = Path(__file__).parent.parent / "data" / "allison_en"


def _wav(path: Path, seconds: float, *, rate: int = 8000, level: float = 0.2) -> None:
    noise = np.random.default_rng(1).standard_normal(int(seconds * rate)) * level
    soundfile.write(path, noise.clip(-1, 1), rate, subtype="PCM_16", format="WAV")


def _three_hours(path: Path) -> None:
    minute = (np.random.default_rng(1).standard_normal(8000 * 60) * 0.05).astype("float32")
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC") as stream:
        for _ in range(180):
            stream.write(minute)


def test_each_bad_file_gets_its_reason_and_the_good_one_is_taken(service: Any, tmp_path: Path) -> None:
    # given an inbox folder with one good recording among everything that can be wrong
    service.variables |= {"SOVITS_TRAINING__AUTO_PROCESS": "false"}
    folder = service.inbox / "坏文件"
    folder.mkdir()
    shutil.copy(CLIPS / "dir-nomore.flac", folder / "good.flac")
    (folder / "empty.wav").write_bytes(b"")
    _wav(folder / "silent.wav", 3, level=0.0)
    _wav(tmp_path / "whole.wav", 5)
    (folder / "truncated.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:30_000])
    (folder / "random.wav").write_bytes(os.urandom(50_000))
    _three_hours(folder / "three hours.flac")
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4 not audio at all")
    (folder / "out.wav").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.wav")

    # when the service takes what it can
    service.start()
    rejected = folder / ".rejected"
    bad = ["empty.wav", "silent.wav", "truncated.wav", "random.wav", "three hours.flac", "notes.pdf"]
    service.until(lambda: all((rejected / f"{name}.reason.txt").exists() for name in bad), "the reasons")
    service.until(lambda: not (folder / "good.flac").exists(), "the good recording to be taken")

    # then each reason is one sentence that tells what is wrong, and every byte is still there
    words = {
        "empty.wav": "empty",
        "silent.wav": "silen",
        "truncated.wav": "truncated",
        "three hours.flac": "long",
        "notes.pdf": "audio",
    }
    for name in bad:
        reason = (rejected / f"{name}.reason.txt").read_text(encoding="utf-8").strip()
        assert words.get(name, "") in reason.lower(), f"{name}: {reason}"
        assert (rejected / name).exists()
    assert (rejected / "random.wav").stat().st_size == 50_000
    # and the symlink and the FIFO are left alone
    assert (folder / "out.wav").is_symlink()
    assert (folder / "pipe.wav").is_fifo()
    files = service.call("GET", "/characters/坏文件/audio/files")[1]
    assert [each["filename"] for each in files] == ["good.flac"]


def test_odd_names_are_taken_and_processed(service: Any) -> None:
    # given recordings under names that break naive programs
    service.variables |= {"SOVITS_TRAINING__AUTO_TRAIN": "false"}
    folder = service.inbox / "odd"
    folder.mkdir()
    (folder / "character.yaml").write_text("language: en\n", encoding="utf-8")
    names = [
        "with space.flac",
        "emoji 😀.flac",
        "quote'\".flac",
        "a|b.flac",
        "line\nbreak.flac",
        "..evil.flac",
        "中文.flac",
    ]
    names.append("长" * 83 + ".flac")
    assert len(names[-1].encode()) == 254
    sources = sorted(CLIPS.glob("*.flac"))
    for name, source in zip(names, sources, strict=False):
        shutil.copy(source, folder / name)

    # when they are processed
    service.start()
    assert service.wait("odd", "audio")["status"] == "completed"

    # then every one is a recording under a safe name and every line of the list file has four fields
    files = service.call("GET", "/characters/odd/audio/files")[1]
    hidden = [name for name in names if name.startswith(".")]
    assert len(files) == len(names) - len(hidden)
    listing = service.work_dir / "characters" / "odd" / "transcripts" / "odd.list"
    lines = listing.read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(len(line.split("|")) == 4 for line in lines)


def _held_back(service: Any) -> dict[str, str]:
    """What the daemon says of files that it does not take yet, by path."""
    rows = service.rows("SELECT value FROM servicestate WHERE key = 'daemon'")
    held: dict[str, str] = json.loads(rows[0]["value"])["inbox"]["held"] if rows else {}
    return held


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_loses_nothing_and_the_job_goes_on_when_there_is_room(service: Any, tmp_path: Path) -> None:
    # given a work directory on a disk that is nearly full
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(service.work_dir)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        service.variables |= {
            "SOVITS_INBOX__FREE_BYTES_RESERVE": "1000000",
            "SOVITS_TRAINING__AUTO_TRAIN": "false",
            "SOVITS_TRAINING__RETRY_SECONDS": "2",
        }
        service.start()
        filler = service.work_dir / "filler"
        free = shutil.disk_usage(service.work_dir).free
        filler.write_bytes(b"\0" * (free - 400_000))
        # when recordings are dropped
        service.drop("full", "dir-nomore", "demo-thanks")
        service.until(lambda: len(_held_back(service)) == 2, "the recordings to be held back")
        # then they stay in the inbox, unharmed and not rejected
        assert not (service.inbox / "full" / ".rejected").exists()
        # and when there is room again they are taken and processed
        filler.unlink()
        assert service.wait("full", "audio")["status"] == "completed"
        assert len(service.call("GET", "/characters/full/audio/files")[1]) == 2
        service.stop()
    finally:
        if service.process and service.process.poll() is None:
            service.stop()
        subprocess.run(["umount", "-l", str(service.work_dir)], check=False)
