"""Staleness: what is fresh, what is not, and that a simulated run makes everything fresh."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import plan
from pipeline.protocol import ArtifactRecord, OutputFile, Recording, TranscriptEdit
from pipeline.steps import STEPS, JobConfig, JobKind, StepName, steps_of

NAMES = st.sampled_from(["a.wav", "b.mp3", "c.flac", "中文.ogg"])
RECORDINGS = st.dictionaries(NAMES, st.tuples(st.sampled_from("123"), st.sampled_from([None, "words"])), min_size=1)
CONFIGS = st.builds(
    JobConfig, enable_denoise=st.booleans(), epochs_s1=st.integers(1, 2), language=st.sampled_from(["zh", "en"])
)


def _simulate(inputs: plan.Inputs, kind: JobKind) -> int:
    """Make every stale item as a worker would, and return how many were made."""
    made = 0
    for step in steps_of(kind, inputs.config):
        for _ in range(2):  # the list item is known only when the clips are made
            for item in plan.plan_step(step.name, inputs).stale:
                if item.name == "list" and not item.input_hash:
                    continue
                outputs: tuple[OutputFile, ...] = ()
                if step.name is StepName.SLICE_AUDIO:
                    names = [f"{item.name}_{n:010d}_{n + 1:010d}.wav" for n in range(1 if item.text else 2)]
                    outputs = tuple(OutputFile(f"sliced_audio/{n}", 1, 1, item.input_hash + n) for n in names)
                artifact = ArtifactRecord(step.name, item.name, item.input_hash, f"out of {item.input_hash}", outputs)
                inputs.artifacts[(step.name, item.name)] = artifact
                made += 1
    return made


def _inputs(recordings: dict[str, tuple[str, str | None]], config: JobConfig) -> plan.Inputs:
    rows = [Recording(name, sha, text) for name, (sha, text) in recordings.items()]
    return plan.Inputs(config, rows, {})


@settings(max_examples=50, deadline=None)
@given(RECORDINGS, CONFIGS)
def test_what_a_run_makes_is_fresh_afterwards(recordings: dict[str, tuple[str, str | None]], config: JobConfig) -> None:
    inputs = _inputs(recordings, config)
    assert not plan.is_complete(JobKind.PROCESS, inputs)
    _simulate(inputs, JobKind.PROCESS)
    assert plan.is_complete(JobKind.PROCESS, inputs)
    assert not plan.is_complete(JobKind.TRAIN, inputs)
    _simulate(inputs, JobKind.TRAIN)
    assert plan.is_complete(JobKind.TRAIN, inputs)
    assert _simulate(inputs, JobKind.PROCESS) + _simulate(inputs, JobKind.TRAIN) == 0
    assert set(inputs.artifacts) == plan.live_items(inputs)


def _finished() -> plan.Inputs:
    inputs = _inputs({"a.wav": ("1", None), "b.wav": ("2", None)}, JobConfig())
    _simulate(inputs, JobKind.PROCESS)
    _simulate(inputs, JobKind.TRAIN)
    return inputs


def _stale(inputs: plan.Inputs) -> set[str]:
    return {p.step.name.value for kind in JobKind for p in plan.plan_job(kind, inputs) if not p.complete}


def test_epochs_of_gpt_stale_gpt_alone() -> None:
    inputs = _finished()
    assert _stale(replace(inputs, config=replace(inputs.config, epochs_s1=16))) == {"train_gpt"}


def test_a_setting_that_changes_no_output_stales_nothing() -> None:
    inputs = _finished()
    assert _stale(replace(inputs, config=replace(inputs.config, gpu_id="0-1", asr_device="cuda"))) == set()


def test_a_removed_recording_stales_the_lists_and_the_trainings() -> None:
    inputs = _finished()
    fewer = replace(inputs, recordings=[r for r in inputs.recordings if r.name != "b.wav"])
    assert _stale(fewer) == {
        "asr_transcribe",
        "extract_text_features",
        "extract_semantic_features",
        "train_sovits",
        "train_gpt",
    }
    assert plan.plan_step(StepName.ASR_TRANSCRIBE, fewer).stale[0].name == "list"


def test_an_edit_stales_one_clip() -> None:
    inputs = _finished()
    clip = "a.wav_0000000000_0000000001.wav"
    edited = replace(inputs, edits={clip: TranscriptEdit(clip, "other words")})
    planned = plan.plan_step(StepName.ASR_TRANSCRIBE, edited)
    assert [item.name for item in planned.stale] == [clip, "list"]
    assert plan.plan_step(StepName.DENOISE_AUDIO, edited).complete


def test_a_polyphone_model_that_comes_or_goes_stales_the_text_features_of_chinese_clips() -> None:
    inputs = _finished()
    chinese, english = (f"a.wav_{n:010d}_{n + 1:010d}.wav" for n in range(2))
    for clip, language in ((chinese, "zh"), (english, "en")):
        key = (StepName.ASR_TRANSCRIBE, clip)
        inputs.artifacts[key] = replace(inputs.artifacts[key], detail={"text": "words", "language": language})
    with_model = replace(inputs, config=replace(inputs.config, polyphones="g2pW.onnx 1"))
    planned = plan.plan_step(StepName.EXTRACT_TEXT_FEATURES, with_model)
    assert [item.name for item in planned.stale] == [chinese, "list"]
    _simulate(with_model, JobKind.TRAIN)
    assert _stale(with_model) == set()
    gone = plan.plan_step(StepName.EXTRACT_TEXT_FEATURES, inputs)
    assert [item.name for item in gone.stale] == [chinese, "list"]


def test_every_step_is_described_once() -> None:
    assert [step.name for step in STEPS] == list(StepName)
    for step in STEPS:
        assert all(hasattr(JobConfig(), name) for name in step.parameters)
