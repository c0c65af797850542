"""How fast the four processing steps are, as multiples of real time, and how well the words are recognised.

    python benchmarks/processing.py [FOLDER]

FOLDER holds recordings and a transcripts.tsv (file, text); default: ../shared/voices/allison_en where it exists, else
the clips that the repository carries. The steps run in the job worker, as in the service; loading models counts.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import Row, at_least, at_most, publish

from daemon.demo.report import words_of
from pipeline.protocol import (
    ArtifactRecord,
    JobSpec,
    Message,
    MessageType,
    Recording,
    artifact_from,
    decode_message,
    encode,
)
from pipeline.steps import JobConfig, JobKind, StepName

ROOT = Path(__file__).parent.parent
AIMS = {StepName.CONVERT_AUDIO: 60.0, StepName.SLICE_AUDIO: 100.0, StepName.DENOISE_AUDIO: 20.0}
ASR_AIM = 5.0
FILES_BEFORE = 500


def run_worker(root: Path, recordings: list[Recording], artifacts: tuple[ArtifactRecord, ...] = ()) -> list[Message]:
    """Run one processing job in a worker and return all it said.

    Raises:
        SystemExit: the worker failed.
    """
    config = JobConfig(language="en")
    spec = JobSpec(1, JobKind.PROCESS, "bench", str(root), config, tuple(recordings), (), artifacts)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline"], input=encode(spec) + "\n", capture_output=True, text=True, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"the worker failed: {done.stdout[-500:]}\n{done.stderr[-2000:]}")
    return [decode_message(line) for line in done.stdout.splitlines()]


def take(root: Path, sources: list[Path]) -> list[Recording]:
    """Put recordings into a character's folder."""
    raw = root / "raw_audio"
    raw.mkdir(parents=True, exist_ok=True)
    recordings = []
    for number, source in enumerate(sources):
        name = f"{number:04d}_{source.name}"
        shutil.copy(source, raw / name)
        recordings.append(Recording(name, hashlib.sha256(source.read_bytes()).hexdigest() + name))
    return recordings


def artifacts_of(messages: list[Message]) -> tuple[ArtifactRecord, ...]:
    """Return what a worker made."""
    return tuple(artifact_from(m.data["artifact"]) for m in messages if m.type is MessageType.ARTIFACT)


def speeds(folder: Path, scratch: Path) -> list[Row]:
    """Measure every step on all recordings of a folder."""
    root = scratch / "all"
    sources = sorted(folder.glob("*.flac"))
    raw = root / "raw_audio"
    raw.mkdir(parents=True)
    recordings = []
    for source in sources:
        shutil.copy(source, raw / source.name)
        recordings.append(Recording(source.name, hashlib.sha256(source.read_bytes()).hexdigest()))
    messages = run_worker(root, recordings)
    made = artifacts_of(messages)
    audio_s = sum(a.detail.get("duration_s", 0.0) for a in made if a.step is StepName.CONVERT_AUDIO)
    rows = [Row("speech", audio_s, "s")]
    for message in messages:
        if message.type is MessageType.STEP_FINISHED:
            step = StepName(message.data["step"])
            aim = AIMS.get(step, ASR_AIM)
            rows.append(at_least(f"{step} (× real time)", audio_s / message.data["seconds"], "×", aim))
    words = words_of(root / "transcripts" / "clips", folder / "transcripts.tsv")
    rows.append(Row("clips with a transcript", words.clips, ""))
    rows.append(Row("word error rate", words.error_rate * 100, "%"))
    return rows


def one_more(folder: Path, scratch: Path) -> Row:
    """Compare adding one recording to many with that recording alone."""
    sources = sorted(folder.glob("*.flac"))
    many = [sources[n % len(sources)] for n in range(FILES_BEFORE)]
    root = scratch / "many"
    before = take(root, many)
    known = artifacts_of(run_worker(root, before))
    both = before + take(root, [*many, sources[0]])[-1:]
    began = time.monotonic()
    run_worker(root, both, known)
    added_s = time.monotonic() - began
    alone_root = scratch / "alone"
    alone = take(alone_root, sources[:1])
    began = time.monotonic()
    run_worker(alone_root, alone)
    alone_s = time.monotonic() - began
    return at_most(f"one recording added to {FILES_BEFORE} ÷ that recording alone", added_s / alone_s, "×", 2.0)


def main() -> None:
    """Measure and print."""
    shared = ROOT.parent / "shared" / "voices" / "allison_en"
    carried = ROOT / "daemon" / "demo" / "allison_en"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else (shared if shared.is_dir() else carried)
    with tempfile.TemporaryDirectory() as scratch:
        rows = speeds(folder, Path(scratch))
        rows.append(one_more(folder, Path(scratch)))
    publish("processing", f"Audio processing of {folder.name}", rows)


if __name__ == "__main__":
    main()
