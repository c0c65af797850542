"""Staleness as a build system: what each step's items are, what feeds them, and which are fresh.

Daemon and worker walk the same plan. An item's `input_hash` covers the step, its version, the parameters it uses and
the output hashes of what feeds it; an item is fresh when an artifact with that input hash exists. A step that
reproduces the same bytes therefore stops the wave there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from GPT_SoVITS.families import family
from GPT_SoVITS.text.dictionary import Reading, occurring
from GPT_SoVITS.text.languages import Language
from pipeline.protocol import ArtifactRecord, Recording, TranscriptEdit
from pipeline.steps import (
    CHARACTER_ITEM,
    LIST_ITEM,
    STEP_BY_NAME,
    JobConfig,
    JobKind,
    Step,
    StepName,
    epochs_of,
    steps_of,
)

_TRAININGS = (StepName.TRAIN_SOVITS, StepName.TRAIN_GPT)
ArtifactIndex = dict[tuple[StepName, str], ArtifactRecord]


@dataclass(frozen=True, slots=True)
class Feed:
    """One thing that an item is made from."""

    name: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Item:
    """One unit of work of a step."""

    step: StepName
    name: str
    input_hash: str
    feeds: tuple[Feed, ...] = ()
    text: str | None = None
    """asr_transcribe and slice_audio: the transcript that a person gave, if any."""
    language: str | None = None
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The items of one step. `blocked`: an earlier step has stale items, so this list may still change."""

    step: Step
    items: tuple[Item, ...]
    fresh: frozenset[str]
    blocked: bool

    @property
    def stale(self) -> tuple[Item, ...]:
        """Items that have to be made."""
        return tuple(item for item in self.items if item.name not in self.fresh)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do in this step."""
        return not self.blocked and len(self.fresh) == len(self.items)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that staleness is computed from."""

    config: JobConfig
    recordings: Sequence[Recording]
    edits: Mapping[str, TranscriptEdit]
    artifacts: ArtifactIndex = field(default_factory=dict)
    readings: Sequence[Reading] = ()
    """Words of the user's dictionaries: those in a transcript decide with it."""


def index(artifacts: Iterable[ArtifactRecord]) -> ArtifactIndex:
    """Return the newest artifact of each step and item (later ones win)."""
    return {(artifact.step, artifact.item): artifact for artifact in artifacts}


def content_hash(*parts: object) -> str:
    """Return the SHA-256 of the parts as canonical JSON."""
    text = json.dumps(parts, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def input_hash(step: Step, config: JobConfig, feeds: Sequence[Feed], *extra: object) -> str:
    """Return what an item of this step would be made from, as one hash."""
    parameters = {name: getattr(config, name) for name in step.parameters}
    return content_hash(step.name, step.version, parameters, [feed.content_hash for feed in feeds], *extra)


def plan_step(name: StepName, inputs: Inputs) -> StepPlan:
    """List the items of a step as far as the artifacts at hand tell, and which of them are fresh."""
    items, blocked = _ITEMS[name](inputs)
    fresh = frozenset(item.name for item in items if _is_fresh(item, inputs.artifacts))
    return StepPlan(STEP_BY_NAME[name], items, fresh, blocked)


def plan_job(kind: JobKind, inputs: Inputs) -> Iterator[StepPlan]:
    """Plan every step of a job in order."""
    for step in steps_of(kind, inputs.config):
        yield plan_step(step.name, inputs)


def is_complete(kind: JobKind, inputs: Inputs) -> bool:
    """Whether a job of this kind would find nothing to do; training also needs finished audio processing."""
    kinds = (JobKind.PROCESS,) if kind is JobKind.PROCESS else (JobKind.PROCESS, JobKind.TRAIN)
    return all(step.complete for each in kinds for step in plan_job(each, inputs))


def work_of(step: StepPlan, config: JobConfig) -> int:
    """Return how much is to be done in a step: its stale items; for a training its clips times its epochs."""
    if step.step.name not in _TRAININGS:
        return sum(1 for item in step.stale if item.name != LIST_ITEM)
    prefix = f"{StepName.EXTRACT_TEXT_FEATURES}/"
    clips = sum(1 for item in step.stale for feed in item.feeds if feed.name.startswith(prefix))
    return clips * epochs_of(step.step.name, config)


def live_items(inputs: Inputs) -> set[tuple[StepName, str]]:
    """Return the (step, item) pairs that the present inputs lead to; artifacts of others are litter."""
    kinds = (JobKind.PROCESS, JobKind.TRAIN)
    return {(plan.step.name, item.name) for kind in kinds for plan in plan_job(kind, inputs) for item in plan.items}


def clips_of(recording: ArtifactRecord) -> tuple[Feed, ...]:
    """Return the clips that slicing made of one recording, with the hash of their bytes."""
    return tuple(Feed(output.path.rsplit("/", 1)[-1], output.sha256) for output in recording.outputs)


def _is_fresh(item: Item, artifacts: ArtifactIndex) -> bool:
    found = artifacts.get((item.step, item.name))
    return found is not None and found.input_hash == item.input_hash


def _current(item: Item, artifacts: ArtifactIndex) -> ArtifactRecord | None:
    return artifacts[(item.step, item.name)] if _is_fresh(item, artifacts) else None


def _convert_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.CONVERT_AUDIO]
    items = []
    for recording in sorted(inputs.recordings, key=lambda each: each.name):
        feeds = (Feed(recording.name, recording.sha256),)
        items.append(Item(step.name, recording.name, input_hash(step, inputs.config, feeds), feeds))
    return tuple(items), False


def _slice_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.SLICE_AUDIO]
    transcripts = {recording.name: recording for recording in inputs.recordings}
    items = []
    blocked = False
    for source in _convert_items(inputs)[0]:
        made = _current(source, inputs.artifacts)
        if made is None:
            blocked = True
            continue
        if made.dropped:
            continue
        recording = transcripts[source.name]
        feeds = (Feed(source.name, made.output_hash),)
        whole = recording.text is not None
        hashed = input_hash(step, inputs.config, feeds, whole)
        items.append(Item(step.name, source.name, hashed, feeds, recording.text, recording.language))
    return tuple(items), blocked


@dataclass(frozen=True, slots=True)
class _Clip:
    feed: Feed
    text: str | None
    language: str | None


def _clips(inputs: Inputs) -> tuple[list[_Clip], bool]:
    """Return the clips of all recordings; one recording with a transcript gives exactly one clip."""
    sources, blocked = _slice_items(inputs)
    clips: list[_Clip] = []
    for source in sources:
        made = _current(source, inputs.artifacts)
        if made is None:
            blocked = True
            continue
        feeds = clips_of(made)
        text, language = (source.text, source.language) if len(feeds) == 1 else (None, None)
        clips.extend(_Clip(feed, text, language) for feed in feeds)
    return clips, blocked


def _denoise_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.DENOISE_AUDIO]
    clips, blocked = _clips(inputs)
    items = (Item(step.name, c.feed.name, input_hash(step, inputs.config, (c.feed,)), (c.feed,)) for c in clips)
    return tuple(items), blocked


def _transcript_clips(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.ASR_TRANSCRIBE]
    clips, blocked = _clips(inputs)
    items = []
    for clip in clips:
        edit = inputs.edits.get(clip.feed.name)
        text = edit.text if edit and edit.text is not None else clip.text
        language = edit.language if edit and edit.language is not None else clip.language
        excluded = bool(edit and edit.excluded)
        hashed = input_hash(step, inputs.config, (clip.feed,), text, language, excluded)
        items.append(Item(step.name, clip.feed.name, hashed, (clip.feed,), text, language, excluded))
    return tuple(items), blocked


def _with_list(name: StepName, planned: tuple[tuple[Item, ...], bool], inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    """Add the file that lists all clips; it follows from every one of them, so a removed clip stales it too."""
    items, blocked = planned
    made = [(item.name, _current(item, inputs.artifacts)) for item in items]
    if blocked or any(artifact is None for _, artifact in made):
        return (*items, Item(name, LIST_ITEM, "")), blocked
    feeds = tuple(Feed(clip, artifact.output_hash) for clip, artifact in made if artifact and not artifact.dropped)
    hashed = input_hash(STEP_BY_NAME[name], inputs.config, feeds, [feed.name for feed in feeds])
    return (*items, Item(name, LIST_ITEM, hashed, feeds)), blocked


def _transcribe_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    return _with_list(StepName.ASR_TRANSCRIBE, _transcript_clips(inputs), inputs)


def _kept_transcripts(inputs: Inputs) -> tuple[list[tuple[Item, ArtifactRecord]], bool]:
    items, blocked = _transcript_clips(inputs)
    made = [(item, _current(item, inputs.artifacts)) for item in items]
    kept = [(item, artifact) for item, artifact in made if artifact is not None and not artifact.dropped]
    return kept, blocked or any(artifact is None for _, artifact in made)


def _ways_of_reading(transcript: Mapping[str, Any], inputs: Inputs) -> list[object]:
    """What decides besides its text how a transcript is read: words of the dictionaries, a polyphone model."""
    said = [astuple(reading) for reading in occurring(inputs.readings, transcript.get("text", ""))]
    chinese = str(transcript.get("language", "")).lower() == Language.ZH
    model = inputs.config.polyphones if chinese else ""
    return [*([said] if said else []), *([model] if model else [])]


def _text_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.EXTRACT_TEXT_FEATURES]
    kept, blocked = _kept_transcripts(inputs)
    items = []
    for item, artifact in kept:
        feeds = (Feed(item.name, artifact.output_hash),)
        hashed = input_hash(step, inputs.config, feeds, *_ways_of_reading(artifact.detail, inputs))
        items.append(Item(step.name, item.name, hashed, feeds))
    return _with_list(step.name, (tuple(items), blocked), inputs)


def _audio_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.EXTRACT_AUDIO_FEATURES]
    kept, blocked = _kept_transcripts(inputs)
    denoised = {}
    if inputs.config.enable_denoise:
        plan = plan_step(StepName.DENOISE_AUDIO, inputs)
        blocked = blocked or not plan.complete
        denoised = {item.name: _current(item, inputs.artifacts) for item in plan.items}
    items = []
    for item, _ in kept:
        feed = item.feeds[0]
        if inputs.config.enable_denoise:
            made = denoised.get(item.name)
            if made is None or made.dropped:
                continue
            feed = Feed(item.name, made.output_hash)
        items.append(Item(step.name, item.name, input_hash(step, inputs.config, (feed,)), (feed,)))
    return tuple(items), blocked


def _following(step: Step, source: StepName, inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    """Items that follow one to one from the kept items of an earlier step."""
    plan = plan_step(source, inputs)
    items = []
    for before in plan.items:
        made = _current(before, inputs.artifacts)
        if made is None or made.dropped:
            continue
        feeds = (Feed(before.name, made.output_hash),)
        items.append(Item(step.name, before.name, input_hash(step, inputs.config, feeds), feeds))
    return tuple(items), not plan.complete


def _speaker_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.EXTRACT_SPEAKER_VECTORS]
    if not family(inputs.config.family).uses_speaker_vector:
        return (), False
    return _following(step, StepName.EXTRACT_AUDIO_FEATURES, inputs)


def _semantic_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    step = STEP_BY_NAME[StepName.EXTRACT_SEMANTIC_FEATURES]
    return _with_list(step.name, _following(step, StepName.EXTRACT_AUDIO_FEATURES, inputs), inputs)


def _training_items(name: StepName, sources: tuple[StepName, ...], inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    feeds: list[Feed] = []
    blocked = False
    for source in sources:
        plan = plan_step(source, inputs)
        blocked = blocked or not plan.complete
        for item in plan.items:
            made = _current(item, inputs.artifacts)
            if made is not None and not made.dropped and item.name != LIST_ITEM:
                feeds.append(Feed(f"{source}/{item.name}", made.output_hash))
    step = STEP_BY_NAME[name]
    hashed = input_hash(step, inputs.config, feeds, [feed.name for feed in feeds])
    return (Item(name, CHARACTER_ITEM, hashed, tuple(feeds)),), blocked


def _sovits_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    sources = (StepName.EXTRACT_TEXT_FEATURES, StepName.EXTRACT_AUDIO_FEATURES, StepName.EXTRACT_SPEAKER_VECTORS)
    return _training_items(StepName.TRAIN_SOVITS, sources, inputs)


def _gpt_items(inputs: Inputs) -> tuple[tuple[Item, ...], bool]:
    sources = (StepName.EXTRACT_TEXT_FEATURES, StepName.EXTRACT_SEMANTIC_FEATURES)
    return _training_items(StepName.TRAIN_GPT, sources, inputs)


_ITEMS = {
    StepName.CONVERT_AUDIO: _convert_items,
    StepName.SLICE_AUDIO: _slice_items,
    StepName.DENOISE_AUDIO: _denoise_items,
    StepName.ASR_TRANSCRIBE: _transcribe_items,
    StepName.EXTRACT_TEXT_FEATURES: _text_items,
    StepName.EXTRACT_AUDIO_FEATURES: _audio_items,
    StepName.EXTRACT_SPEAKER_VECTORS: _speaker_items,
    StepName.EXTRACT_SEMANTIC_FEATURES: _semantic_items,
    StepName.TRAIN_SOVITS: _sovits_items,
    StepName.TRAIN_GPT: _gpt_items,
}
