"""The encoders of the public families: read from folders of strangers, loaded once, and exact."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from GPT_SoVITS.base_files import SPEAKER_FILE
from GPT_SoVITS.content import content_encoder
from GPT_SoVITS.errors import AudioError, CheckpointError, ModelMissingError
from GPT_SoVITS.families import family
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.roberta import TextEncoder, load_roberta, text_encoder
from GPT_SoVITS.speaker import speaker_encoder, speaker_wave
from tests.engine.encoder_folders import (
    HUBERT_SIZES,
    ROBERTA_SIZES,
    VOCABULARY,
    hubert_weights,
    roberta_weights,
    small_family,
    write_encoders,
    write_folder,
    write_vocabulary,
)

WAVE = (np.sin(np.arange(6_000) * 0.05) * 0.3).astype(np.float32)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoders(tmp_path_factory.mktemp("模型 files"))


def test_content_features_are_the_last_hidden_state_of_hubert(models_dir: Path) -> None:
    from transformers import HubertConfig, HubertModel

    encode = content_encoder(small_family(), str(models_dir))
    (features,) = encode([WAVE])
    assert features.shape == (1, 32, (6_000 - 400) // 320 + 1) and features.dtype == torch.float32

    reference = HubertModel(HubertConfig(**HUBERT_SIZES)).eval()
    reference.load_state_dict(hubert_weights())
    with torch.no_grad():
        expected = reference(torch.from_numpy(WAVE).unsqueeze(0)).last_hidden_state.mT
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-5)


def test_an_encoder_is_loaded_once(models_dir: Path) -> None:
    chosen = small_family()
    assert content_encoder(chosen, str(models_dir)) is content_encoder(small_family("v1"), str(models_dir))
    assert text_encoder(chosen, str(models_dir)) is text_encoder(chosen, str(models_dir))


@pytest.mark.parametrize("prefix", ["", "hubert."])
def test_half_precision_pickled_files_with_present_names_are_read(
    models_dir: Path, tmp_path: Path, prefix: str
) -> None:
    new = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    weights = {}
    for name, tensor in hubert_weights().items():
        for ours, theirs in new.items():
            name = name.replace(ours, theirs)
        weights[prefix + name] = tensor.half()
    write_folder(tmp_path / "chinese-hubert-base", HUBERT_SIZES, weights, pickled=True)
    features = content_encoder(small_family(), str(tmp_path))([WAVE])[0]
    expected = content_encoder(small_family(), str(models_dir))([WAVE])[0]
    assert (features - expected).abs().max() <= 0.02 * expected.std()


def test_a_clip_shorter_than_a_frame_is_refused(models_dir: Path) -> None:
    with pytest.raises(AudioError, match="too short"):
        content_encoder(small_family(), str(models_dir))([WAVE, WAVE[:399]])


def test_clips_are_heard_together_as_each_alone(models_dir: Path) -> None:
    encode = content_encoder(small_family(), str(models_dir))
    clips = [WAVE, WAVE[:401], WAVE[1_000:4_000], WAVE[::-1].copy(), WAVE[:2_999]]

    together = encode(clips)

    assert [features.shape[2] for features in together] == [(len(clip) - 400) // 320 + 1 for clip in clips]
    for clip, features in zip(clips, together, strict=True):
        torch.testing.assert_close(features, encode([clip])[0], rtol=0, atol=1e-5)


def test_no_clips_are_no_features(models_dir: Path) -> None:
    assert content_encoder(small_family(), str(models_dir))([]) == []


@pytest.fixture(scope="module")
def text(models_dir: Path) -> TextEncoder:
    encoder = text_encoder(small_family(), str(models_dir))
    assert encoder is not None
    return encoder


def test_text_features_are_the_third_hidden_state_from_the_end_repeated_for_each_phone(
    text: TextEncoder, models_dir: Path
) -> None:
    from transformers import BertConfig, BertModel, BertTokenizer

    sentence, counts = "今天天气很好…我们去。", [2, 2, 2, 1, 3, 2, 1, 0, 2, 2, 1]
    tokenizer = BertTokenizer.from_pretrained(models_dir / "chinese-roberta-wwm-ext-large", local_files_only=True)
    reference = BertModel(BertConfig(**ROBERTA_SIZES)).eval()
    weights = {name.removeprefix("bert."): tensor for name, tensor in roberta_weights().items()}
    reference.load_state_dict(weights, strict=False)
    with torch.no_grad():
        states = reference(**tokenizer(sentence, return_tensors="pt"), output_hidden_states=True).hidden_states
    rows = states[-3][0, 1:-1]
    assert len(rows) == len(sentence)

    (features,) = text.encode([(sentence, counts)])

    expected = torch.stack([row for row, count in zip(rows, counts, strict=True) for _ in range(count)], dim=1)
    assert features.shape == (48, sum(counts)) and features.dtype == torch.float32
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=40))
def test_every_character_has_its_row_however_long_or_strange_the_text(text: TextEncoder, sentence: str) -> None:
    (features,) = text.encode([(sentence, [1] * len(sentence))])
    assert features.shape == (48, len(sentence)) and bool(features.isfinite().all())


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text("今天气很好我们去龘a。", max_size=100), max_size=8))
def test_texts_are_read_together_as_each_alone(text: TextEncoder, sentences: list[str]) -> None:
    texts = [(sentence, [2] * len(sentence)) for sentence in sentences]
    for own, features in zip(texts, text.encode(texts), strict=True):
        torch.testing.assert_close(features, text.encode([own])[0], rtol=0, atol=1e-5)


def test_a_character_outside_the_vocabulary_is_unknown(text: TextEncoder) -> None:
    rare, face, capital, small, one, another = text.encode(
        [(sentence, [1] * len(sentence)) for sentence in ("我龘去", "我\U0001f600去", "A", "a", "我", "去")]
    )
    assert torch.equal(rare, face)
    assert torch.equal(capital, small)
    assert not torch.equal(one, another)


def test_counts_must_belong_to_the_text(text: TextEncoder) -> None:
    with pytest.raises(ValueError, match="3 characters came with 2"):
        text.encode([("我", [1]), ("我们去", [1, 2])])


def test_the_vocabulary_may_come_in_a_tokenizer_file(text: TextEncoder, models_dir: Path, tmp_path: Path) -> None:
    weights = load_file(models_dir / "chinese-roberta-wwm-ext-large" / "model.safetensors")
    folder = write_folder(tmp_path / "roberta", ROBERTA_SIZES, weights, pickled=False)
    table = {"model": {"type": "WordPiece", "vocab": {token: number for number, token in enumerate(VOCABULARY)}}}
    (folder / "tokenizer.json").write_text(json.dumps(table), encoding="utf-8")
    written = [("去公园", [1, 2, 1])]
    assert torch.equal(load_roberta(folder).encode(written)[0], text.encode(written)[0])


def test_nano_has_neither_text_nor_speaker_encoder() -> None:
    assert text_encoder(family("nano")) is None
    assert speaker_encoder(family("nano")) is None
    assert speaker_encoder(family("v2")) is None


@pytest.mark.parametrize("get", [content_encoder, text_encoder, speaker_encoder])
def test_an_absent_encoder_is_named_with_the_command_that_fetches_it(
    get: Callable[..., object], tmp_path: Path
) -> None:
    with pytest.raises(ModelMissingError, match=r"v2ProPlus needs (chinese-|sv/).*models pull v2ProPlus"):
        get(family("v2ProPlus"), str(tmp_path))


class _Payload:
    """Unpickling this would leave a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def _truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _change(change: Callable[[dict[str, Tensor]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return damage


def _lose(weights: dict[str, Tensor]) -> None:
    del weights["encoder.layers.1.attention.k_proj.bias"]


def _misshape(weights: dict[str, Tensor]) -> None:
    weights["encoder.layer_norm.weight"] = torch.zeros(31)


def _poison(weights: dict[str, Tensor]) -> None:
    weights["encoder.layer_norm.weight"][3] = float("nan")


def _settings(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps({**HUBERT_SIZES, **changes}), encoding="utf-8")

    return damage


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut short": (_truncate, "damaged"),
    "a weight is lost": (_change(_lose), "lacks the weight encoder.layers.1.attention.k_proj.bias"),
    "a weight of another shape": (_change(_misshape), r"has shape \[31\], this model has \[32\]"),
    "a weight that is no number": (_change(_poison), "not finite"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "holds neither"),
    "no settings": (lambda folder: (folder / "config.json").unlink(), "config.json cannot be read"),
    "settings that are no JSON": (lambda folder: (folder / "config.json").write_text("{"), "not valid JSON"),
    "settings that are a list": (lambda folder: (folder / "config.json").write_text("[]"), "no named settings"),
    "absurdly many layers": (_settings(num_hidden_layers=10**9), "num_hidden_layers"),
    "an absurd size": (_settings(hidden_size=10**12), "hidden_size"),
    "heads that do not divide": (_settings(num_attention_heads=5), "do not fit together"),
    "another activation": (_settings(hidden_act="no such"), "do not fit together"),
    "another width": (_settings(hidden_size=64), "has shape"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_folder_is_refused_with_one_sentence(name: str, tmp_path: Path) -> None:
    damage, sentence = DAMAGES[name]
    damage(write_folder(tmp_path / "chinese-hubert-base", HUBERT_SIZES, hubert_weights(), pickled=False))
    with pytest.raises(CheckpointError, match=sentence) as refusal:
        content_encoder(small_family(), str(tmp_path))
    assert "\n" not in str(refusal.value)


def test_code_in_a_weight_file_never_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    folder = write_folder(tmp_path / "chinese-hubert-base", HUBERT_SIZES, {}, pickled=True)
    torch.save({"masked_spec_embed": _Payload(marker)}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="refused"):
        content_encoder(small_family(), str(tmp_path))
    assert not marker.exists()


def test_an_encoder_of_another_width_than_the_family_is_refused(models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="32 features, 768 are needed"):
        content_encoder(family("v2"), str(models_dir))
    with pytest.raises(CheckpointError, match="48 features, 1024 are needed"):
        text_encoder(family("v2"), str(models_dir))


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [((), r"lacks \[UNK\], \[CLS\], \[SEP\]"), ((*VOCABULARY, *map(str, range(90))), "larger than the model's")],
)
def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path: Path, tokens: tuple[str, ...], sentence: str) -> None:
    folder = write_folder(tmp_path / "roberta", ROBERTA_SIZES, roberta_weights(), pickled=False)
    with pytest.raises(CheckpointError, match="holds neither vocab.txt"):
        load_roberta(folder)
    write_vocabulary(folder, tokens)
    with pytest.raises(CheckpointError, match=sentence):
        load_roberta(folder)


def test_a_speaker_vector_comes_from_a_bare_state_file_and_any_rate(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in ERes2NetV2().state_dict().items()}
    path = tmp_path / SPEAKER_FILE
    path.parent.mkdir()
    torch.save({name: torch.full(shape, 0.01, dtype=torch.float16) for name, shape in shapes.items()}, path)
    encoder = speaker_encoder(family("v2Pro"), str(tmp_path))
    assert encoder is not None
    (vector,) = encoder.embed([speaker_wave(WAVE, 32_000)])
    assert vector.shape == (1, 20_480) and vector.dtype == torch.float32 and bool(vector.isfinite().all())
    with pytest.raises(AudioError, match="too short"):
        speaker_wave(WAVE[:700], 32_000)
    with pytest.raises(AudioError, match="too short"):
        encoder.embed([WAVE, WAVE[:399]])


def test_a_speaker_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / SPEAKER_FILE
    path.parent.mkdir()
    torch.save({"conv1.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(CheckpointError, match="lacks the weight bn1.weight"):
        speaker_encoder(family("v2Pro"), str(tmp_path))
