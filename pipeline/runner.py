"""Run the steps of one job in order, in one process, redoing only what is stale."""

from __future__ import annotations

import importlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from GPT_SoVITS.errors import EngineError
from pipeline import plan
from pipeline.context import Reporter, StepContext
from pipeline.protocol import NOT_PROCESSED, ArtifactRecord, JobSpec, Message, MessageType
from pipeline.steps import CHARACTER_ITEM, LIST_ITEM, VOICE_SETTINGS, JobKind, StepName, steps_of

logger = logging.getLogger(__name__)

SCRATCH = ".scratch"
KEPT_DROPPED = 1000
MODULES = {
    StepName.CONVERT_AUDIO: "pipeline.convert",
    StepName.SLICE_AUDIO: "pipeline.slice",
    StepName.DENOISE_AUDIO: "pipeline.denoise",
    StepName.ASR_TRANSCRIBE: "pipeline.transcribe",
    StepName.EXTRACT_TEXT_FEATURES: "pipeline.text_features",
    StepName.EXTRACT_AUDIO_FEATURES: "pipeline.audio_features",
    StepName.EXTRACT_SPEAKER_VECTORS: "pipeline.speaker_vectors",
    StepName.EXTRACT_SEMANTIC_FEATURES: "pipeline.semantic_features",
    StepName.TRAIN_SOVITS: "pipeline.train_sovits",
    StepName.TRAIN_GPT: "pipeline.train_gpt",
}


class NothingUsableError(EngineError):
    """No clip with a transcript is left."""

    code = "nothing_usable"


class NotProcessedError(NothingUsableError):
    """Training cannot start because recordings or settings changed since the audio was processed."""

    code = NOT_PROCESSED


def run_job(job: JobSpec, reporter: Reporter) -> None:
    """Run every step of a job.

    Raises:
        Cancelled: the job was asked to stop.
        EngineError: a step refuses, with one sentence.
        OSError: the disk is full or fails.
    """
    root = Path(job.root)
    scratch = root / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    present = (artifact for artifact in job.artifacts if _on_disk(root, artifact))
    edits = {edit.clip: edit for edit in job.edits}
    inputs = plan.Inputs(job.config, job.recordings, edits, plan.index(present), job.readings)
    try:
        for step in steps_of(job.kind, job.config):
            _run_step(step.name, job, inputs, scratch, reporter)
            if step.name is StepName.ASR_TRANSCRIBE:
                _check_something_left(job, inputs)
        if job.kind is JobKind.TRAIN:
            reporter.send(_voice(inputs))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_step(name: StepName, job: JobSpec, inputs: plan.Inputs, scratch: Path, reporter: Reporter) -> None:
    began = time.monotonic()
    planned = plan.plan_step(name, inputs)
    if planned.blocked:
        raise NotProcessedError(f"{name} cannot start: an earlier step is not finished; process the audio first")
    context = StepContext(Path(job.root), job.character, inputs, planned, scratch, reporter)
    context.check()
    work = plan.work_of(planned, inputs.config)
    reporter.send(Message(MessageType.STEP_STARTED, {"step": name, "items": len(planned.items), "work": work}))
    module = importlib.import_module(MODULES[name])
    if planned.stale or not planned.items:
        module.run(context)
    report = _report(name, inputs, context, time.monotonic() - began)
    logger.info("%s: %s", name, {key: value for key, value in report.items() if key != "dropped"})
    reporter.send(Message(MessageType.STEP_FINISHED, report))


def _report(name: StepName, inputs: plan.Inputs, context: StepContext, seconds: float) -> dict[str, Any]:
    items = [item for item in plan.plan_step(name, inputs).items if item.name != LIST_ITEM]
    made = [artifact for item in items if (artifact := inputs.artifacts.get((name, item.name))) is not None]
    dropped = [{"item": artifact.item, "reason": artifact.dropped} for artifact in made if artifact.dropped]
    for artifact in made:
        dropped.extend(artifact.detail.get("dropped_clips", ()))
    dropped.extend({"item": each.item, "reason": each.reason} for each in context.dropped)
    return {
        "step": name,
        "items_in": len(items),
        "items_out": sum(1 for artifact in made if not artifact.dropped),
        "redone": context.redone,
        "fresh": len(context.plan.fresh),
        "dropped": dropped[:KEPT_DROPPED],
        "seconds": round(seconds, 3),
        "note": "; ".join(dict.fromkeys(context.notes)),
    }


def _on_disk(root: Path, artifact: ArtifactRecord) -> bool:
    """Whether the files of an artifact are there as they were recorded."""
    for output in artifact.outputs:
        try:
            stat = (root / output.path).stat()
        except OSError:
            return False
        if (stat.st_size, stat.st_mtime_ns) != (output.size_bytes, output.mtime_ns):
            return False
    return True


def _check_something_left(job: JobSpec, inputs: plan.Inputs) -> None:
    kept = [a for (step, item), a in inputs.artifacts.items() if step is StepName.ASR_TRANSCRIBE and item != LIST_ITEM]
    reasons = {a.dropped for (_, _), a in inputs.artifacts.items() if a.dropped}
    if any(not artifact.dropped for artifact in kept):
        return
    if not job.recordings:
        raise NothingUsableError(f"{job.character} has no recordings; add some to its inbox folder or upload them")
    why = "; ".join(sorted(reasons)[:3])
    raise NothingUsableError(
        f"no clip of {job.character} with a transcript is left of {len(job.recordings)} recordings"
        f"{f' ({why})' if why else ''}; add recordings of clear speech"
    )


def _voice(inputs: plan.Inputs) -> Message:
    sovits = inputs.artifacts[(StepName.TRAIN_SOVITS, CHARACTER_ITEM)]
    gpt = inputs.artifacts[(StepName.TRAIN_GPT, CHARACTER_ITEM)]
    data = {
        "family": inputs.config.family,
        "sovits_path": sovits.outputs[0].path,
        "gpt_path": gpt.outputs[0].path,
        "input_hash": plan.content_hash(sovits.input_hash, gpt.input_hash),
        "trained_from": sovits.detail["trained_from"],
        "metrics": {
            "sovits": sovits.detail["metrics"],
            "gpt": gpt.detail["metrics"],
            "evaluation": gpt.detail.get("evaluation") or None,
        },
        "config": {name: getattr(inputs.config, name) for name in VOICE_SETTINGS},
    }
    return Message(MessageType.VOICE, data)
