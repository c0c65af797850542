"""A character's folder with real recordings, and the runner in this process."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from GPT_SoVITS.text.dictionary import Reading
from pipeline.protocol import ArtifactRecord, JobSpec, Message, MessageType, Recording, TranscriptEdit, artifact_from
from pipeline.runner import run_job
from pipeline.steps import JobConfig, JobKind, StepName

CLIPS = Path(__file__).parent.parent / "data" / "allison_en"
SMALL = JobConfig(language="en", epochs_s2=1, epochs_s1=1, batch_size=4)


@dataclass
class Log:
    """Keeps what a worker would say."""

    messages: list[Message] = field(default_factory=list)
    cancel_when: Callable[[Message], bool] = lambda message: False
    cancelled: bool = False

    def send(self, message: Message) -> None:
        self.messages.append(message)
        if self.cancel_when(message):
            self.cancelled = True


@dataclass
class Character:
    """What the daemon would know of one character."""

    root: Path
    name: str = "爱丽丝"
    config: JobConfig = SMALL
    recordings: dict[str, Recording] = field(default_factory=dict)
    edits: dict[str, TranscriptEdit] = field(default_factory=dict)
    artifacts: dict[tuple[StepName, str], ArtifactRecord] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()

    def add(self, clip: str, name: str | None = None, text: str | None = None) -> Recording:
        raw = self.root / "raw_audio"
        raw.mkdir(parents=True, exist_ok=True)
        target = raw / (name or f"{clip}.flac")
        shutil.copy(CLIPS / f"{clip}.flac", target)
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        recording = Recording(target.name, digest, text, "en" if text else None)
        self.recordings[target.name] = recording
        return recording

    def run(self, kind: JobKind, log: Log | None = None) -> dict[str, dict[str, object]]:
        """Run a job, remember its artifacts, and return the report of each step."""
        log = log or Log()
        known = tuple(self.artifacts.values())
        job = JobSpec(
            1,
            kind,
            self.name,
            str(self.root),
            self.config,
            tuple(self.recordings.values()),
            tuple(self.edits.values()),
            known,
            readings=self.readings,
        )
        try:
            run_job(job, log)
        finally:
            for message in log.messages:
                if message.type is MessageType.ARTIFACT:
                    artifact = artifact_from(message.data["artifact"])
                    self.artifacts[(artifact.step, artifact.item)] = artifact
        return {m.data["step"]: m.data for m in log.messages if m.type is MessageType.STEP_FINISHED}

    def configure(self, **changes: object) -> None:
        self.config = replace(self.config, **changes)  # type: ignore[arg-type]


@pytest.fixture
def character(tmp_path: Path) -> Character:
    """A character without recordings."""
    return Character(tmp_path / "爱丽丝 😀")


@pytest.fixture
def new_log() -> Callable[[Callable[[Message], bool]], Log]:
    """Make a log that cancels the job when a message meets a condition."""
    return lambda condition: Log(cancel_when=condition)
