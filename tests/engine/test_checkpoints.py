"""Finished weights: written for public tools, read from strangers, refused with one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from GPT_SoVITS.checkpoint_settings import sovits_settings
from GPT_SoVITS.checkpoints import (
    POSTERIOR_PREFIX,
    load_weights,
    read_gpt_weights,
    read_sovits_weights,
    write_gpt_weights,
    write_sovits_weights,
)
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName
from GPT_SoVITS.models.semantic_generation import GenerationOptions, SemanticText
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.voice_networks import trained_networks
from tests.engine.classic_family import classic_family
from tests.engine.golden import golden_file
from tests.engine.test_train_base import tiny_nano

NANO = FAMILIES[FamilyName.NANO]


@pytest.fixture(scope="module")
def gpt() -> TextToSemantic:
    torch.manual_seed(0)
    return TextToSemantic(NANO.gpt)


def _few_weights(family: Family) -> dict[str, Tensor]:
    rows = 322 if family.name is FamilyName.V1 else 732
    return {"enc_p.text_embedding.weight": torch.randn(rows, 4), "enc_q.proj.bias": torch.randn(3)}


def test_gpt_weights_come_back_in_half_precision_with_their_sizes(gpt: TextToSemantic, tmp_path: Path) -> None:
    path = tmp_path / "小雨 🌧-e15.ckpt"
    write_gpt_weights(path, gpt.state_dict(), NANO, "GPT-e15")

    read = read_gpt_weights(path)

    assert read.config == NANO.gpt
    assert read.info == "GPT-e15"
    again = TextToSemantic(read.config)
    load_weights(again, read.state_dict, path)
    for name, tensor in gpt.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.half().float()), name
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_nano_generator_is_rebuilt_from_its_file_without_the_posterior_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classic = classic_family()
    model = SovitsModel(classic.sovits, classic.audio)
    path = tmp_path / "voice_e8_s96.pth"
    write_sovits_weights(path, model.state_dict(), classic, "8epoch_96iteration")

    state, family, info = read_sovits_weights(path)

    assert family.sovits == classic.sovits
    assert info == "8epoch_96iteration"
    assert not any(name.startswith(POSTERIOR_PREFIX) for name in state)
    load_weights(SovitsModel(family.sovits, family.audio), state, path, may_lack=POSTERIOR_PREFIX)
    del state["enc_p.proj.weight"]
    with pytest.raises(CheckpointError, match=r"lacks the weight enc_p\.proj\.weight"):
        load_weights(model, state, path, may_lack=POSTERIOR_PREFIX)


@pytest.mark.parametrize("name", list(FamilyName))
def test_every_family_is_recognised_in_what_was_written(name: FamilyName, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_sovits_weights(path, _few_weights(FAMILIES[name]), FAMILIES[name], "1epoch_1iteration")
    expected = {FamilyName.V2_PRO: b"05", FamilyName.V2_PRO_PLUS: b"06"}.get(name, b"PK")
    assert path.read_bytes()[:2] == expected
    read = read_sovits_weights(path)
    assert read.family == FAMILIES[name]
    assert list(read.state_dict) == ["enc_p.text_embedding.weight"]  # the posterior encoder stays out


def test_public_tools_find_their_own_class_and_keys_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_sovits_weights(path, _few_weights(NANO), NANO, "")
    with zipfile.ZipFile(path) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith("data.pkl"))
        pickled = archive.read(name)
    assert b"cutils\nHParams\n" in pickled
    assert b"GPT_SoVITS" not in pickled


def _public_file(name: str, folder: Path) -> tuple[Path, dict[str, object]]:
    files = np.load(golden_file("vectors/checkpoint_files.npz"))
    facts = json.loads(golden_file("vectors/checkpoint_files.json").read_text(encoding="utf-8"))
    path = folder / f"{name}.pth"
    path.write_bytes(files[name].tobytes())
    return path, facts[name]


@pytest.mark.parametrize("version", ["v1", "v2", "v2Pro", "v2ProPlus"])
def test_generator_files_of_public_tools_are_read(version: str, tmp_path: Path) -> None:
    path, facts = _public_file(f"s2_compact_{version}", tmp_path)
    state, family, info = read_sovits_weights(path)
    assert family == FAMILIES[FamilyName(version)]
    assert info == facts["info"]
    assert list(state) == facts["weight_keys"]
    assert state["enc_p.proj.bias"][:4].tolist() == facts["enc_p.proj.bias_first4"]


def test_gpt_files_of_public_tools_are_read(tmp_path: Path) -> None:
    path, facts = _public_file("s1_compact", tmp_path)
    state, config, info = read_gpt_weights(path)
    assert config.n_layer == facts["n_layer"]
    assert config.max_sec == facts["max_sec"]
    assert config.ffn_dim == 2048
    assert info == facts["info"]
    assert state["bert_proj.bias"][:4].tolist() == facts["bert_proj_bias_first4"]


def test_a_training_state_is_not_taken_for_finished_weights(tmp_path: Path) -> None:
    path, _ = _public_file("s2_full_training", tmp_path)
    with pytest.raises(CheckpointError, match="training state"):
        read_sovits_weights(path)


class _Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("place", ["config", "weight", "zip-less"])
def test_code_in_a_file_is_refused_and_not_run(place: str, tmp_path: Path) -> None:
    trace, path = tmp_path / "executed", tmp_path / "evil.ckpt"
    content: dict[str, object] = {"weight": {"model.a": torch.ones(1)}, "config": {}, "info": ""}
    if place == "zip-less":
        path.write_bytes(pickle.dumps(_Hostile(trace)))
    else:
        content[place] = _Hostile(trace)
        torch.save(content, path)
    for read in (read_gpt_weights, read_sovits_weights):
        with pytest.raises(CheckpointError, match=r"evil\.ckpt"):
            read(path)
    assert not trace.exists()


def test_a_weight_of_another_shape_is_refused_and_the_model_left_alone(gpt: TextToSemantic, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in gpt.state_dict().items()}
    wrong = {name: torch.zeros_like(tensor) for name, tensor in before.items()}
    wrong["ar_predict_layer.weight"] = torch.zeros(7, NANO.gpt.hidden_dim)
    with pytest.raises(CheckpointError, match=r"ar_predict_layer\.weight has shape \[7, 256\]"):
        load_weights(gpt, wrong, tmp_path / "other.ckpt")
    assert all(torch.equal(tensor, before[name]) for name, tensor in gpt.state_dict().items())


def _saved(path: Path, weight: object, config: object) -> Path:
    torch.save({"weight": weight, "config": config, "info": "x"}, path)
    return path


@pytest.mark.parametrize(
    ("weight", "config", "sentence"),
    [
        ({}, {}, "no finished weights"),
        ({"model.a": 3}, {"model": {}}, "not an ordinary tensor"),
        ({"model.a": torch.tensor([float("nan")])}, {"model": {}}, "not finite"),
        ({"model.a": torch.ones(1).expand(10**9)}, {"model": {}}, "larger than the data"),
        ({"other": torch.ones(1)}, {"model": {}}, "other names"),
        ({"model.a": torch.ones(1)}, {"model": {"n_layer": 10**9}}, "n_layer"),
        ({"model.a": torch.ones(1)}, {"model": {"hidden_dim": "wide"}}, "hidden_dim"),
        ({"model.a": torch.ones(1)}, {"model": {"head": 0}}, "head"),
        ({"model.a": torch.ones(1)}, {"model": {"head": 7}}, "do not fit together"),
        ({"model.a": torch.ones(1)}, {"model": torch.ones(1)}, "type Tensor"),
        ({"model.a": torch.ones(1)}, {}, "no settings"),
    ],
)
def test_files_that_make_no_sense_are_refused_with_a_reason(
    weight: object, config: object, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        read_gpt_weights(_saved(tmp_path / "odd.ckpt", weight, config))


@pytest.mark.parametrize("mark", [b"02", b"03", b"04", b"09"])
def test_versions_that_are_not_supported_are_named(mark: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_sovits_weights(path, _few_weights(NANO), NANO, "")
    path.write_bytes(mark + path.read_bytes()[2:])
    with pytest.raises(CheckpointError, match="support"):
        read_sovits_weights(path)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**7)
    with pytest.raises(CheckpointError, match="compressed"):
        read_gpt_weights(path)


def test_a_missing_file_is_a_sentence_not_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.ckpt cannot be read"):
        read_gpt_weights(tmp_path / "absent.ckpt")


def test_weights_that_are_not_finite_are_not_written_over_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    write_sovits_weights(path, _few_weights(NANO), NANO, "good")
    with pytest.raises(CheckpointError, match="not finite in half precision"):
        write_sovits_weights(path, {"a": torch.tensor([1e6])}, NANO, "bad")
    assert read_sovits_weights(path).info == "good"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.pth"]


def _small_file() -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": {"model.a": torch.ones(4).half()}, "config": {"model": {}}, "info": "x"}, stream)
    return stream.getvalue()


SMALL_FILE = _small_file()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(SMALL_FILE) - 1))
def test_a_file_cut_short_anywhere_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.ckpt"
    path.write_bytes(SMALL_FILE[:cut])
    with pytest.raises(CheckpointError):
        read_gpt_weights(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, len(SMALL_FILE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_never_raise_anything_but_a_checkpoint_error(
    changes: list[tuple[int, int]], tmp_path: Path
) -> None:
    data = bytearray(SMALL_FILE)
    for position, value in changes:
        data[position] = value
    path = tmp_path / "changed.ckpt"
    path.write_bytes(data)
    for read in (read_gpt_weights, read_sovits_weights):
        try:
            read(path)
        except CheckpointError as error:
            assert "changed.ckpt" in str(error)


def test_a_nano_voice_from_before_the_harmonic_decoder_keeps_its_own(tmp_path: Path) -> None:
    classic = classic_family()
    path = tmp_path / "old.pth"
    settings = sovits_settings(classic)
    for name in ("decoder", "harmonic_channels", "harmonic_layers", "phone_timings"):
        del settings["sovits"][name]
    content = {"weight": _few_weights(classic), "config": settings, "info": "old"}
    torch.save(content, path)
    assert not read_sovits_weights(path).family.sovits.is_direct


def test_a_nano_voice_from_before_its_text_was_timed_still_speaks(tmp_path: Path) -> None:
    # given files that know neither timings nor rests
    older = replace(
        tiny_nano(),
        sovits=replace(tiny_nano().sovits, phone_timings=0),
        gpt=replace(tiny_nano().gpt, longest_rest=0),
    )
    torch.manual_seed(0)
    model, gpt = SovitsModel(older.sovits, older.audio), TextToSemantic(older.gpt)
    sovits_path, gpt_path = tmp_path / "old.pth", tmp_path / "old.ckpt"
    write_gpt_weights(gpt_path, gpt.state_dict(), older, "old")
    settings = sovits_settings(older)
    del settings["sovits"]["phone_timings"]
    torch.save({"weight": model.state_dict(), "config": settings, "info": "old"}, sovits_path)
    content = torch.load(gpt_path, weights_only=True)
    del content["config"]["model"]["longest_rest"]
    torch.save(content, gpt_path)
    # when they are read, then the networks are theirs, and the places of the codes are found, not told
    networks = trained_networks(sovits_path, gpt_path)
    assert networks.family.sovits.phone_timings == networks.family.gpt.longest_rest == 0
    networks.prepare(torch.device("cpu"))
    text = SemanticText(torch.randint(10, 60, (6,)), torch.zeros(1, 6))
    made = networks.gpt.generate(text, None, GenerationOptions(early_stop_codes=50))
    assert made.places is None
    codes = torch.randint(0, 64, (1, 1, 20))
    wave = networks.sovits.decode_chunk(codes, text.phones[None], torch.zeros(1, 16, 1)).wave
    assert torch.isfinite(wave).all()
    # and they are not trained on by mistake
    with pytest.raises(ValueError, match="train it from the base again"):
        networks.gpt.pointed_losses(None)  # type: ignore[arg-type]
