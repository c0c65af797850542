"""The feature steps of a public family, in the public formats, with small encoders of random weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from GPT_SoVITS.base_files import base_files
from GPT_SoVITS.dataset import SemanticLine, load_matrix, read_text_lines, stored_wave
from GPT_SoVITS.errors import TrainingDataError
from GPT_SoVITS.families import family
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.training.gpt_data import collate_gpt, load_gpt_items
from GPT_SoVITS.training.recipe import gpt_recipe
from pipeline import audio_features, speaker_vectors, text_features
from pipeline.context import StepContext
from pipeline.plan import Inputs, Item, StepPlan
from pipeline.protocol import Message
from pipeline.steps import STEP_BY_NAME, JobConfig, StepName

PRO = family("v2Pro")
TEXTS = {
    "一.wav": ("今天天气很好。", "zh"),
    "mixed 😀.wav": ("我喜欢apple手机。", "zh"),
    "en.wav": ("Hello there, friend.", "en"),
}


class Silent:
    """A reporter that nobody listens to."""

    cancelled = False

    def send(self, message: Message) -> None:
        """Forget the message."""


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoders in the public layout: their widths are the public ones, their depth is not."""
    from transformers import BertConfig, BertModel, HubertConfig, HubertModel

    home = tmp_path_factory.mktemp("models")
    files = base_files(PRO, str(home))
    torch.manual_seed(0)
    HubertModel(HubertConfig(num_hidden_layers=1, intermediate_size=32, conv_dim=(16,) * 7)).save_pretrained(
        files.hubert
    )
    bert = BertConfig(
        vocab_size=64, hidden_size=1024, num_hidden_layers=3, num_attention_heads=16, intermediate_size=32
    )
    BertModel(bert, add_pooling_layer=False).save_pretrained(files.roberta)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"今天气很好我喜欢手机。"]
    (files.roberta / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    assert files.speaker is not None
    files.speaker.parent.mkdir(parents=True)
    torch.save(ERes2NetV2().state_dict(), files.speaker)
    return home


@pytest.fixture
def context(tmp_path: Path, models_dir: Path) -> StepContext:
    """A character with three clips of noise and their transcripts; its step is set by `_run`."""
    root = tmp_path / "角色"
    generator = np.random.default_rng(1)
    for folder in ("sliced_audio", "transcripts/clips"):
        (root / folder).mkdir(parents=True)
    for name, (text, language) in TEXTS.items():
        soundfile.write(root / "sliced_audio" / name, generator.standard_normal(32_000) * 0.1, 32_000)
        transcript = {"text": text, "language": language}
        (root / "transcripts" / "clips" / f"{name}.json").write_text(json.dumps(transcript), encoding="utf-8")
    config = JobConfig(family="v2Pro", models_dir=str(models_dir), enable_denoise=False)
    plan = StepPlan(STEP_BY_NAME[StepName.EXTRACT_TEXT_FEATURES], (), frozenset(), blocked=False)
    return StepContext(root, "角色", Inputs(config, (), {}), plan, tmp_path / "scratch", Silent())


def _run(context: StepContext, module: Any, step: StepName, names: Iterable[str] = TEXTS) -> Path:
    """Make clips with one of the steps and return the experiment folder."""
    items = tuple(Item(step, name, "hash") for name in names)
    context.plan = StepPlan(STEP_BY_NAME[step], items, frozenset(), blocked=False)
    module.make(context)
    return context.experiment


def _load(path: Path) -> Tensor:
    loaded = torch.load(path, weights_only=True)
    assert isinstance(loaded, Tensor)
    return loaded


def test_text_features_are_there_for_chinese_and_zero_elsewhere(context: StepContext) -> None:
    experiment = _run(context, text_features, StepName.EXTRACT_TEXT_FEATURES)
    assert sorted(path.name for path in (experiment / "3-bert").iterdir()) == ["mixed 😀.wav.pt", "一.wav.pt"]
    lines = {name: read_text_lines(experiment / "2-name2text" / f"{name}.txt")[name] for name in TEXTS}
    chinese, mixed = (_load(experiment / "3-bert" / f"{name}.pt") for name in ("一.wav", "mixed 😀.wav"))
    assert (chinese.dtype, tuple(chinese.shape)) == (torch.float32, (1024, len(lines["一.wav"].phones)))
    assert mixed.shape[1] == len(lines["mixed 😀.wav"].phones)
    # every character's phones share its features, and English phones have none
    silent = (mixed == 0).all(dim=0).tolist()
    spoken_english = [phone[0].isupper() for phone in lines["mixed 😀.wav"].phones]
    assert silent == spoken_english
    assert any(spoken_english)
    assert torch.equal(chinese[:, 0], chinese[:, 1])
    assert not torch.equal(chinese[:, 1], chinese[:, 2])
    # and training reads them: clips without features get zeros
    semantic = [SemanticLine(name, tuple(range(40))) for name in TEXTS]
    items, _ = load_gpt_items(experiment, lines, semantic, PRO, gpt_recipe(PRO))
    batch = collate_gpt(items, PRO)
    assert torch.equal(batch.bert[0, :, : chinese.shape[1]], chinese)
    assert not batch.bert[0, :, chinese.shape[1] :].any()
    assert not batch.bert[2].any()
    # and features of another width leave the clip out
    torch.save(torch.zeros(1024, 3), experiment / "3-bert" / "一.wav.pt")
    items, left_out = load_gpt_items(experiment, lines, semantic, PRO, gpt_recipe(PRO))
    assert [each.name for each in left_out] == ["一.wav"]
    assert "3-bert" in left_out[0].reason


def test_waves_content_and_speaker_vectors_have_the_public_forms(context: StepContext) -> None:
    experiment = _run(context, audio_features, StepName.EXTRACT_AUDIO_FEATURES)
    _run(context, speaker_vectors, StepName.EXTRACT_SPEAKER_VECTORS)
    for name in TEXTS:
        source, _ = soundfile.read(context.root / "sliced_audio" / name, dtype="float32")
        stored, rate_hz = soundfile.read(experiment / "5-wav32k" / name, dtype="int16")
        assert rate_hz == 32_000
        assert np.array_equal(stored, stored_wave(source))
        content = _load(experiment / "4-cnhubert" / f"{name}.pt")
        assert (content.dtype, tuple(content.shape)) == (torch.float32, (1, 768, 49))
        vector = _load(experiment / "7-sv_cn" / f"{name}.pt")
        assert (vector.dtype, tuple(vector.shape)) == (torch.float32, (1, 20_480))


def test_an_overdriven_clip_is_dropped_with_its_reason(context: StepContext) -> None:
    path = context.root / "sliced_audio" / "en.wav"
    soundfile.write(path, np.full(32_000, 2.5, dtype=np.float32), 32_000, subtype="FLOAT")
    _run(context, audio_features, StepName.EXTRACT_AUDIO_FEATURES)
    dropped = context.inputs.artifacts[(StepName.EXTRACT_AUDIO_FEATURES, "en.wav")].dropped
    assert dropped is not None
    assert "overdriven" in dropped
    assert not (context.experiment / "5-wav32k" / "en.wav").exists()


@pytest.mark.parametrize("cut_to", [32_000, 300])
def test_clips_beside_one_that_cannot_be_used_are_made_as_each_alone(context: StepContext, cut_to: int) -> None:
    # given clips of different lengths, of which one is overdriven or too short to be heard
    audio, speaker = StepName.EXTRACT_AUDIO_FEATURES, StepName.EXTRACT_SPEAKER_VECTORS
    bad, *good = TEXTS
    source = context.root / "sliced_audio"
    soundfile.write(source / bad, np.full(cut_to, 2.5 if cut_to == 32_000 else 0.1), 32_000, subtype="FLOAT")
    longer, _ = soundfile.read(source / good[0])
    soundfile.write(source / good[0], np.tile(longer, 3)[:71_000], 32_000)

    # when all are made together
    experiment = _run(context, audio_features, audio)
    _run(context, speaker_vectors, speaker, good)

    # then that one is dropped, and the others are as if nothing had been beside them
    assert context.inputs.artifacts[(audio, bad)].dropped
    paths = [experiment / folder / f"{name}.pt" for name in good for folder in ("4-cnhubert", "7-sv_cn")]
    together = [_load(path) for path in paths]
    for name in good:
        _run(context, audio_features, audio, [name])
        _run(context, speaker_vectors, speaker, [name])
    for path, features in zip(paths, together, strict=True):
        torch.testing.assert_close(features, _load(path), rtol=0, atol=float(1e-4 * features.std()))
    assert list(context.scratch.iterdir()) == []


def test_features_of_another_shape_are_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(2, 3), tmp_path / "a.pt")
    with pytest.raises(TrainingDataError, match="make it again"):
        load_matrix(tmp_path / "a.pt", (1, 3))
    (tmp_path / "b.pt").write_bytes(b"nothing")
    with pytest.raises(TrainingDataError, match="cannot be read"):
        load_matrix(tmp_path / "b.pt", (1, 3))
