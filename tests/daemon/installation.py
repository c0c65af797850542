"""An installation on a fresh folder, and a worker that leaves small real files where the real one leaves audio."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from daemon import characters, migrate, queue, recordings, staleness
from daemon.character_config import parse
from daemon.database import Database
from daemon.layout import Layout
from daemon.recordings import RecordingFacts
from daemon.settings import load_settings
from daemon.tables import Artifact, AudioFile, Character, Job, Status, Voice
from daemon.world import World
from pipeline import plan, protocol
from pipeline.plan import Item
from pipeline.protocol import ArtifactRecord, OutputFile
from pipeline.steps import LIST_ITEM, JobKind, StepName

CLIP_S = 5


@dataclass(frozen=True, slots=True)
class Installation:
    """A migrated database with its folders, and short ways to fill it."""

    world: World

    @property
    def layout(self) -> Layout:
        return self.world.layout

    @property
    def database(self) -> Database:
        return self.world.database

    def character(self, name: str) -> Character:
        return characters.create(self.database, self.layout, name, parse({}, self.world.settings))

    def now(self, name: str) -> Character:
        with self.database.read() as session:
            return characters.get(session, name)

    def record(self, name: str, filename: str, content: bytes = b"sound", text: str | None = None) -> AudioFile:
        path = self.layout.raw_audio(name) / filename
        path.write_bytes(content)
        facts = RecordingFacts(
            filename=filename,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            mtime_ns=path.stat().st_mtime_ns,
            duration_s=float(CLIP_S),
            transcript_text=text,
        )
        with self.database.write() as session:
            return recordings.add(session, characters.get(session, name), facts)

    def state(self, name: str, kind: JobKind = JobKind.PROCESS) -> staleness.JobState:
        ask = staleness.audio_state if kind is JobKind.PROCESS else staleness.training_state
        with self.database.read() as session:
            return ask(session, self.world.settings, characters.get(session, name))

    def enqueue(self, name: str, kind: JobKind) -> Job:
        with self.database.write() as session:
            character = characters.get(session, name)
            assert character.id is not None
            return queue.enqueue(session, character.id, kind)

    def work(self, name: str, kind: JobKind, status: Status = Status.COMPLETED) -> None:
        """Queue a job and do it: every stale item gets a file and a row."""
        self.enqueue(name, kind)
        claimed = queue.claim(self.database)
        assert claimed is not None
        assert claimed.kind == kind
        if status is Status.COMPLETED:
            self._make_everything(name, kind)
        with self.database.write() as session:
            job = session.get_one(Job, claimed.id)
            sentence = "it did not work" if status is Status.FAILED else None
            queue.finish(session, job, queue.Verdict(status, sentence=sentence))
            if kind is JobKind.TRAIN and status is Status.COMPLETED:
                session.add(self._voice(name, job))

    def _make_everything(self, name: str, kind: JobKind) -> None:
        with self.database.write() as session:
            character = characters.get(session, name)
            inputs = staleness.inputs_of(session, self.world.settings, character)
            for step in plan.steps_of(kind, inputs.config):
                for item in plan.plan_step(step.name, inputs).stale:
                    fresh = plan.plan_step(step.name, inputs)  # the list item follows from its clips
                    item = next(each for each in fresh.items if each.name == item.name)
                    made = self._make(name, item)
                    inputs.artifacts[(made.step, made.item)] = made
                    for row in session.query(Artifact).filter_by(
                        character_id=character.id, step=made.step.value, item=made.item
                    ):
                        session.delete(row)
                    session.flush()
                    session.add(_row(character, made))

    def _make(self, name: str, item: Item) -> ArtifactRecord:
        paths = _paths(name, item)
        outputs = []
        for path in paths:
            target = self.layout.character(name) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(f"{item.step} {item.name} {item.input_hash}".encode())
            facts = target.stat()
            digest = hashlib.sha256(target.read_bytes()).hexdigest()
            outputs.append(OutputFile(path, facts.st_size, facts.st_mtime_ns, digest))
        detail = (
            {"text": f"text of {item.name}", "language": "zh", "source": "asr"}
            if item.step is StepName.ASR_TRANSCRIBE
            else {}
        )
        combined = hashlib.sha256("".join(each.sha256 for each in outputs).encode()).hexdigest()
        return ArtifactRecord(item.step, item.name, item.input_hash, combined, tuple(outputs), detail)

    def _voice(self, name: str, job: Job) -> Voice:
        models = self.layout.models(name)
        return Voice(
            character_id=job.character_id,
            job_id=job.id,
            family="nano",
            sovits_path=f"models/{name}_e1_s1.pth",
            gpt_path=f"models/{name}-e1.ckpt",
            input_hash="",
            trained_from="random weights",
            metrics={"files": len(list(models.iterdir()))},
        )


def _paths(name: str, item: Item) -> tuple[str, ...]:
    """Where the real steps put what they make of an item."""
    last = CLIP_S * 32_000
    if item.step is StepName.SLICE_AUDIO:
        return tuple(f"sliced_audio/{item.name}_{n * last:010d}_{(n + 1) * last:010d}.wav" for n in range(2))
    if item.name == LIST_ITEM and item.step is StepName.ASR_TRANSCRIBE:
        return (f"transcripts/{name}.list",)
    folders = {
        StepName.CONVERT_AUDIO: f"converted_audio/{item.name}.wav",
        StepName.DENOISE_AUDIO: f"denoised_audio/{item.name}",
        StepName.ASR_TRANSCRIBE: f"transcripts/clips/{item.name}.json",
        StepName.TRAIN_SOVITS: f"models/{name}_e1_s1.pth",
        StepName.TRAIN_GPT: f"models/{name}-e1.ckpt",
    }
    return (folders.get(item.step, f"experiments/{name}/{item.step}/{item.name}"),)


def _row(character: Character, made: protocol.ArtifactRecord) -> Artifact:
    assert character.id is not None
    return Artifact(
        character_id=character.id,
        step=made.step.value,
        item=made.item,
        input_hash=made.input_hash,
        output_hash=made.output_hash,
        outputs=[asdict(each) for each in made.outputs],
        detail=made.detail,
    )


@contextmanager
def opened(folder: Path) -> Iterator[Installation]:
    """A fresh installation below a folder, migrated and empty."""
    paths = {("paths", "work_dir"): folder / "work", ("paths", "inbox_dir"): folder / "inbox"}
    settings = load_settings(environment={}, overrides=paths).settings
    layout = Layout.of(settings)
    layout.create()
    database = Database(layout.database)
    migrate.upgrade(database)
    try:
        yield Installation(World(database, settings, layout))
    finally:
        database.close()
