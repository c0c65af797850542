"""What a step is given: the character's folder, its parameters, and the one way to publish what it made.

Publishing is atomic: files are written in a scratch folder on the same file system, flushed, renamed into place, and
only then reported. A crash at any point leaves the old state or the new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from GPT_SoVITS.durable import sync_folder
from pipeline.plan import Inputs, Item, StepPlan
from pipeline.protocol import ArtifactRecord, Message, MessageType, OutputFile

READ_BYTES = 1 << 20


class Cancelled(Exception):  # noqa: N818 - not an error: someone asked for it
    """The job was asked to stop; what is finished stays recorded."""


class Reporter(Protocol):
    """Takes the messages of a step to the daemon."""

    def send(self, message: Message) -> None:
        """Deliver one message."""

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to stop."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """An item that cannot be used, and why."""

    item: str
    reason: str


@dataclass(slots=True)
class StepContext:
    """The world as one step sees it. `inputs.artifacts` grows as items are published."""

    root: Path
    """The character's folder."""
    character: str
    inputs: Inputs
    plan: StepPlan
    scratch: Path
    reporter: Reporter
    dropped: list[Dropped] = field(default_factory=list)
    redone: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def experiment(self) -> Path:
        """The public GPT-SoVITS experiment folder of this character."""
        return self.root / "experiments" / self.character

    def check(self) -> None:
        """Stop here if the job was cancelled.

        Raises:
            Cancelled: it was.
        """
        if self.reporter.cancelled:
            raise Cancelled

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report how far the step is, and stop here if the job was cancelled."""
        self.check()
        data = {"step": self.plan.step.name, "done": done, "total": total, "note": note}
        self.reporter.send(Message(MessageType.PROGRESS, data))

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield an empty scratch folder that is gone afterwards."""
        path = self.scratch / f"{self.plan.step.name}-{os.urandom(6).hex()}"
        path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def artifact_of(self, step: Any, item: str) -> ArtifactRecord:
        """Return what an earlier step made of an item."""
        return self.inputs.artifacts[(step, item)]

    def publish(
        self, item: Item, files: Mapping[str, Path], detail: dict[str, Any] | None = None, *, output_hash: str = ""
    ) -> ArtifactRecord:
        """Put finished files into place and report the item as made.

        Args:
            item: what was made.
            files: final path relative to the character's folder → the finished file in scratch.
            detail: facts for people and later steps.
            output_hash: what later steps depend on; default: the bytes of all files.
        """
        outputs = tuple(self._place(relative, source) for relative, source in files.items())
        combined = output_hash or hashlib.sha256("".join(o.sha256 for o in outputs).encode()).hexdigest()
        artifact = ArtifactRecord(item.step, item.name, item.input_hash, combined, outputs, detail or {})
        self.redone += 1
        self._report(artifact)
        return artifact

    def adopt(self, artifact: ArtifactRecord) -> None:
        """Report what a child process of this step made and put into place."""
        self.redone += 1
        self._report(artifact)

    def drop(self, item: Item, reason: str, detail: dict[str, Any] | None = None) -> None:
        """Report an item as unusable with its reason; it is not tried again until its input changes."""
        facts = {**(detail or {}), "dropped": reason}
        self.redone += 1
        self._report(ArtifactRecord(item.step, item.name, item.input_hash, f"dropped:{reason}", (), facts))

    def _report(self, artifact: ArtifactRecord) -> None:
        self.inputs.artifacts[(artifact.step, artifact.item)] = artifact
        self.reporter.send(Message(MessageType.ARTIFACT, {"artifact": _plain(artifact)}))

    def _place(self, relative: str, source: Path) -> OutputFile:
        target = self.root / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = sha256_of(source, sync=True)
        source.replace(target)
        sync_folder(target.parent)
        stat = target.stat()
        return OutputFile(relative, stat.st_size, stat.st_mtime_ns, digest)


def sha256_of(path: Path, *, sync: bool = False) -> str:
    """Return the SHA-256 of a file's bytes; with `sync` its bytes are on the disk afterwards."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
        if sync:
            os.fsync(stream.fileno())
    return digest.hexdigest()


def _plain(artifact: ArtifactRecord) -> dict[str, Any]:
    return dataclasses.asdict(artifact)
