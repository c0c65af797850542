"""From rows to answers: plain functions, one a wire type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, func, select

from api.schemas import (
    AudioFileInfo,
    AudioProcessingInfo,
    CharacterConfigInfo,
    CharacterInfo,
    InferenceInfo,
    TrainingInfo,
)
from api.schemas_jobs import Curve, CurvePoint, DroppedItem, JobInfo, JobStepInfo
from api.schemas_report import DataReport, LengthBar, LossInfo, SpreadInfo
from api.schemas_transcripts import ClipInfo
from api.schemas_voices import VoiceInfo
from daemon import character_config, curves, staleness, versions
from daemon.clips import Clip
from daemon.curves import Training
from daemon.data_report import Report
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.staleness import JobKind, JobState
from daemon.tables import AudioFile, Character, Inference, Job, JobStep, Status, Voice
from daemon.world import World


@dataclass(frozen=True, slots=True)
class Describer:
    """Describes what one reading session sees."""

    world: World
    session: Session

    def character(self, character: Character) -> CharacterInfo:
        """A character and how it stands."""
        audio_count = select(func.count()).select_from(AudioFile).where(AudioFile.character_id == character.id)
        config = {**character_config.defaults(self.world.settings), **character.config}
        return CharacterInfo(
            character_name=character.name,
            config=CharacterConfigInfo(character_name=character.name, **config),
            created_at=character.created_at,
            updated_at=character.updated_at,
            audio_count=self.session.exec(audio_count).one(),
            audio_processing_status=self._audio_state(character).status,
            training_status=self._training_state(character).status,
            model_exists=self._model_exists(character),
            is_default=character.is_default,
        )

    def audio_file(self, character: Character, row: AudioFile) -> AudioFileInfo:
        """A recording."""
        path = self.world.layout.raw_audio(character.name) / row.filename
        return AudioFileInfo(
            filename=row.filename,
            file_path=self._relative(path),
            file_size=row.size_bytes,
            created_at=row.created_at,
            modified_at=row.modified_at,
            duration=row.duration_s,
        )

    def audio(self, character: Character) -> AudioProcessingInfo:
        """How audio processing stands."""
        state = self._audio_state(character)
        count = staleness.processed_count(self.session, character)
        return AudioProcessingInfo(**_state(character, state), processed_audio_count=count)

    def training(self, character: Character) -> TrainingInfo:
        """How training stands; a model stays named until a newer one replaces it."""
        state = self._training_state(character)
        voice = versions.active(self.session, character)
        root = self.world.layout.character(character.name)
        return TrainingInfo(
            **_state(character, state),
            gpt_model_path=self._relative(root / voice.gpt_path) if voice else None,
            sovits_model_path=self._relative(root / voice.sovits_path) if voice else None,
        )

    def _audio_state(self, character: Character) -> JobState:
        return staleness.audio_state(self.session, self.world.settings, character)

    def _training_state(self, character: Character) -> JobState:
        return staleness.training_state(self.session, self.world.settings, character)

    def _model_exists(self, character: Character) -> bool:
        voice = versions.active(self.session, character)
        root = self.world.layout.character(character.name)
        return voice is not None and (root / voice.sovits_path).is_file() and (root / voice.gpt_path).is_file()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.world.layout.work_dir).as_posix()


def inference(row: Inference) -> InferenceInfo:
    """A sentence and how far it is."""
    return InferenceInfo(
        inference_id=row.id,
        character_name=row.character_name,
        target_text=row.target_text,
        status=Status(row.status),
        created_at=row.created_at,
        completed_at=row.completed_at,
        output_path=row.output_path,
        error_message=row.error_message,
        progress=row.progress,
    )


def job_info(job: Job, character: str) -> JobInfo:
    """A job."""
    assert job.id is not None
    return JobInfo(
        job_id=job.id,
        character_name=character,
        kind=JobKind(job.kind),
        origin=job.origin,
        status=Status(job.status),
        current_step=job.step if job.status == Status.RUNNING else None,
        progress=job.progress,
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        error_code=job.error_code,
        error_message=job.error,
    )


def job_steps(session: Session, settings: Settings, character: Character, job: Job) -> list[JobStepInfo]:
    """The steps of a job in order; those that it has not come to are pending."""
    query = select(JobStep).where(JobStep.job_id == job.id).order_by(col(JobStep.id))
    rows = {row.step: row for row in session.exec(query)}
    names = dict.fromkeys([*staleness.step_names(character, settings, JobKind(job.kind)), *rows])
    return [_job_step(name, rows.get(name), job) for name in names]


def _job_step(name: str, row: JobStep | None, job: Job) -> JobStepInfo:
    row = row or JobStep(job_id=job.id or 0, step=name)
    begun = row.id is not None
    ended = Status(job.status)
    if row.completed_at is not None:
        status = Status.COMPLETED
    elif job.status == Status.RUNNING and row.step == job.step:
        status = Status.RUNNING
    else:
        status = ended if ended in (Status.FAILED, Status.CANCELLED) and row.step == job.step else Status.PENDING
    return JobStepInfo(
        step=name,
        status=status,
        progress=row.progress,
        started_at=row.started_at if begun else None,
        completed_at=row.completed_at,
        seconds=row.seconds,
        items_in=row.items_in,
        items_out=row.items_out,
        redone=row.redone,
        dropped=[DroppedItem(item=str(each["item"]), reason=str(each["reason"])) for each in row.dropped],
        note=row.note,
    )


def voice_info(layout: Layout, character: Character, voice: Voice) -> VoiceInfo:
    """A version of a voice."""
    assert voice.id is not None
    root = layout.character(character.name).relative_to(layout.work_dir)
    return VoiceInfo(
        voice_id=voice.id,
        character_name=character.name,
        active=voice.active,
        created_at=voice.created_at,
        job_id=voice.job_id,
        family=voice.family,
        trained_from=voice.trained_from,
        input_hash=voice.input_hash,
        config=voice.config,
        metrics=voice.metrics,
        note=voice.note,
        sovits_model_path=(root / voice.sovits_path).as_posix(),
        gpt_model_path=(root / voice.gpt_path).as_posix(),
        on_disk=versions.on_disk(layout, character, voice),
    )


def curves_of(files: Mapping[Training, Path], wanted: Sequence[Training], after: int, limit: int) -> list[Curve]:
    """The curves of trainings, empty where there is no file."""
    found = ((each, curves.points(files[each], after, limit) if each in files else []) for each in wanted)
    return [Curve(step=each, points=[CurvePoint(**asdict(point)) for point in points]) for each, points in found]


def clip_info(clip: Clip) -> ClipInfo:
    """A clip and its transcript."""
    return ClipInfo(
        clip=clip.name,
        recording=clip.recording,
        start=clip.start_s,
        duration=clip.duration_s,
        state=clip.state,
        reason=clip.reason,
        text=clip.text,
        language=clip.language,
        source=clip.source,
        confidence=clip.confidence,
        scores=dict(clip.scores),
        unedited_text=clip.before.text,
        unedited_language=clip.before.language,
        edited=clip.edited,
        stale=clip.stale,
        denoised=clip.denoised,
    )


def data_report_info(found: Report) -> DataReport:
    """How good a character's recordings are."""
    return DataReport(
        character_name=found.character,
        recordings=found.recordings,
        recorded_seconds=found.recorded_s,
        clips=found.clips,
        kept_clips=found.kept_clips,
        kept_seconds=found.kept_s,
        losses=[LossInfo(**asdict(loss)) for loss in found.losses],
        clip_lengths=[LengthBar(start=b.start_s, end=b.end_s, clips=b.clips, seconds=b.seconds) for b in found.lengths],
        snr_db=SpreadInfo(**asdict(found.snr_db)) if found.snr_db is not None else None,
        clipped_clips=found.clipped_clips,
        languages=dict(found.languages),
        transcript_confidence=found.confidence,
        unsure_clips=found.unsure_clips,
        edited_clips=found.edited_clips,
        reference_clips=found.reference_clips,
        speaker_consistency=found.speaker_consistency,
        speaker_consistency_note=found.speaker_consistency_note,
        stranger_clips=list(found.stranger_clips),
        advice=list(found.advice),
    )


def _state(character: Character, state: JobState) -> dict[str, Any]:
    return {
        "character_name": character.name,
        "status": state.status,
        "current_step": state.current_step,
        "progress": state.progress,
        "started_at": state.started_at,
        "completed_at": state.completed_at,
        "error_message": state.error_message,
    }
