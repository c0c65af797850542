"""Which family a file belongs to, by the public rules; training states and bases are read, all else is refused."""

from __future__ import annotations

import json
import os
import pathlib
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from GPT_SoVITS.base_checks import check_base_file
from GPT_SoVITS.base_files import PUBLIC_FAMILIES, Part, base_files, files_of, require_base_files
from GPT_SoVITS.base_release import PUBLISHED_SHA256
from GPT_SoVITS.checkpoint_versions import FileVersion, family_of, known_version, recognise
from GPT_SoVITS.checkpoints import (
    TrainingProgress,
    read_discriminator_weights,
    read_gpt_weights,
    read_sovits_weights,
    read_training_progress,
    write_gpt_weights,
    write_sovits_weights,
    write_training_state,
)
from GPT_SoVITS.errors import CheckpointError, ModelMissingError
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.start import base_name, start_gpt
from tests.engine.golden import golden_file

NANO = FAMILIES[FamilyName.NANO]


def _golden_table() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(golden_file("vectors/checkpoint_files.json").read_text(encoding="utf-8"))
    return facts


def test_marks_and_sizes_are_recognised_as_the_public_loader_does() -> None:
    table = _golden_table()["version_recognition"]
    assert len(table) == 12
    for row in table:
        head = row["first_two_bytes"].encode() + bytes(100)
        expected = FileVersion(*row["symbols_version, model_version, is_lora"])
        assert recognise(head, row["size"]) == expected, row


def test_the_public_bases_are_known_by_their_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    from GPT_SoVITS import checkpoint_versions

    table = _golden_table()["pretrained_md5_of_first_8192_bytes"]
    assert {digest: FileVersion(*version) for digest, version in table.items()} == checkpoint_versions._BY_HASH
    # the first 8192 bytes count, whatever follows
    head = b"PK" + bytes(8190)
    digest = checkpoint_versions.hashlib.md5(head).hexdigest()
    monkeypatch.setitem(checkpoint_versions._BY_HASH, digest, FileVersion("v2", "v4"))
    assert known_version(head + b"more") == FileVersion("v2", "v4")
    assert known_version(b"PK" + bytes(100)) is None


@pytest.mark.parametrize(("rows", "family"), [(322, FamilyName.V1), (732, FamilyName.V2)])
def test_the_phone_table_corrects_the_hash_and_the_size(rows: int, family: FamilyName) -> None:
    state = {"enc_p.text_embedding.weight": torch.zeros(rows, 4)}
    for outside in (FileVersion("v2", "v2"), FileVersion("v1", "v1")):
        assert family_of(Path("s2G488k.pth"), state, {}, outside) == FAMILIES[family]


def test_a_pro_training_state_is_told_by_its_weights() -> None:
    for family in (FamilyName.V2_PRO, FamilyName.V2_PRO_PLUS):
        width = FAMILIES[family].sovits.upsample_initial_channel
        state = {"sv_emb.weight": torch.zeros(1), "dec.conv_pre.weight": torch.zeros(width, 1, 1)}
        assert family_of(Path("G_8.pth"), state, {}, FileVersion("v2", "v3")) == FAMILIES[family]


@pytest.mark.parametrize("said", ["v3", "v4", None])
def test_flow_matching_models_are_refused(said: str | None) -> None:
    state = {"cfm.estimator.x.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="model, which is not supported"):
        family_of(Path("s2Gv3.pth"), state, {"model": {"version": said}}, FileVersion("v2", "v2"))


def _few_weights(rows: int = 732) -> dict[str, Tensor]:
    return {"enc_p.text_embedding.weight": torch.randn(rows, 4), "enc_q.proj.bias": torch.randn(3)}


def test_a_generator_training_state_is_written_and_read_in_the_public_layout(tmp_path: Path) -> None:
    path, weights = tmp_path / "G_233333333333.pth", _few_weights(322)
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    write_training_state(path, weights, TrainingProgress(4, 1e-4, optimizer))

    content = torch.load(path, weights_only=True)
    assert list(content) == ["model", "iteration", "optimizer", "learning_rate"]
    assert path.read_bytes()[:2] == b"PK"
    state, family, info = read_sovits_weights(path, training_state=True)
    assert family.name is FamilyName.V1 and info == "4epoch"
    assert all(torch.equal(state[name], tensor) for name, tensor in weights.items())
    progress = read_training_progress(path)
    assert (progress.epoch, progress.learning_rate) == (4, 1e-4)
    assert torch.equal(progress.optimizer["state"][0]["exp_avg"], torch.ones(2))
    assert read_discriminator_weights(path).keys() == weights.keys()
    with pytest.raises(CheckpointError, match="training state"):
        read_sovits_weights(path)


def test_a_training_state_of_the_public_trainer_is_read(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "G_8.pth"
    path.write_bytes(np.load(golden_file("vectors/checkpoint_files.npz"))["s2_full_training"].tobytes())
    facts = _golden_table()["s2_full_training"]
    assert read_training_progress(path).epoch == facts["iteration"]
    assert set(read_training_progress(path).optimizer) == set(facts["optimizer_keys"])
    assert all(torch.isfinite(tensor).all() for tensor in read_discriminator_weights(path).values())
    with pytest.raises(CheckpointError, match="not a SoVITS model file"):
        read_sovits_weights(path, training_state=True)  # it holds a layer that stands for a network


def _lightning(path: Path, model: TextToSemantic) -> None:
    """Write what the public GPT trainer leaves: a Lightning checkpoint that names a path among its settings."""
    sizes = {"EOS": 1024, "hidden_dim": 32, "embedding_dim": 32, "head": 2, "n_layer": 1, "bert_channels": 1024}
    config = {"model": sizes | {"phoneme_vocab_size": 732, "vocab_size": 1025, "ffn_dim": 64}, "data": {"max_sec": 54}}
    content = {
        "epoch": 7,
        "global_step": 60,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 8}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_path": "logs/x", "dirpath": "logs"}},
        "optimizer_states": [{"state": {0: {"delta": torch.zeros(2)}}, "param_groups": [{"lr": 0.002, "params": [0]}]}],
        "lr_schedulers": [{"lr": 0.002, "_current_step": 60}],
        "hparams_name": "config",
        "hyper_parameters": {"config": config, "output_dir": pathlib.PosixPath("logs/x/logs_s1_v2"), "is_train": True},
    }
    torch.save(content, path)


@pytest.mark.parametrize("name", list(FamilyName))
def test_the_sizes_of_every_family_come_back_from_a_file(name: FamilyName, tmp_path: Path) -> None:
    path, family = tmp_path / "voice-e1.ckpt", FAMILIES[name]
    write_gpt_weights(path, {"a": torch.ones(1)}, family, "GPT-e1")
    assert read_gpt_weights(path).config == family.gpt


def test_a_lightning_training_state_is_read(tmp_path: Path) -> None:
    small = replace(FAMILIES[FamilyName.V2].gpt, embedding_dim=32, hidden_dim=32, head=2, n_layer=1, ffn_dim=64)
    model, path = TextToSemantic(small), tmp_path / "epoch=7-step=60.ckpt"
    _lightning(path, model)
    state, config, info = read_gpt_weights(path, training_state=True)
    assert config == small and info == "GPT-e7"
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    with pytest.raises(CheckpointError, match="training state"):
        read_gpt_weights(path)


def test_a_path_is_the_only_foreign_thing_that_a_lightning_file_may_name(tmp_path: Path) -> None:
    trace, path = tmp_path / "executed", tmp_path / "evil.ckpt"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(trace),)

    torch.save({"state_dict": {"model.a": torch.ones(1)}, "hyper_parameters": {"config": Hostile()}}, path)
    with pytest.raises(CheckpointError, match="refused"):
        read_gpt_weights(path, training_state=True)
    assert not trace.exists()


def test_an_archive_that_claims_more_than_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "claims.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", b"x" * 100)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # uncompressed size in both headers
        at = data.index(mark) + offset
        data[at : at + 4] = struct.pack("<I", 2**31)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"claims to hold more|damaged"):
        read_sovits_weights(path)


@pytest.mark.parametrize("name", PUBLIC_FAMILIES)
def test_the_published_sums_are_of_files_that_a_family_needs(name: FamilyName) -> None:
    paths = {file.path for file in files_of(name)}
    assert len(paths) == len(files_of(name)) == (10 if FAMILIES[name].uses_speaker_vector else 9)
    wanted = {file.path for each in PUBLIC_FAMILIES for file in files_of(each)}
    assert set(PUBLISHED_SHA256) <= wanted
    assert all(len(digest) == 64 for digest in PUBLISHED_SHA256.values())


def test_a_base_is_missing_until_every_file_that_it_needs_is_there(tmp_path: Path) -> None:
    family = FAMILIES[FamilyName.V2]
    with pytest.raises(ModelMissingError, match=r"s2G2333k\.pth.*models pull v2"):
        require_base_files(family, str(tmp_path))
    for file in files_of(FamilyName.V2):
        if not file.optional:
            path = tmp_path / (file.substitutes or (file.path,))[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert base_files(family, str(tmp_path)).missing() == []
    assert base_name(family, str(tmp_path)) == "s2G2333k.pth"
    with pytest.raises(CheckpointError):
        start_gpt(family, 1, str(tmp_path))


def test_a_base_of_another_family_or_kind_is_told(tmp_path: Path) -> None:
    small = replace(FAMILIES[FamilyName.V2].gpt, embedding_dim=32, hidden_dim=32, head=2, n_layer=1, ffn_dim=64)
    path = tmp_path / "s1v3.ckpt"
    write_gpt_weights(path, TextToSemantic(small).state_dict(), replace(NANO, gpt=small), "GPT-e1")
    with pytest.raises(CheckpointError, match="has shape"):
        check_base_file(path, Part.GPT, FamilyName.V2)
    with pytest.raises(CheckpointError, match="knows 732 phones"):
        check_base_file(path, Part.GPT, FamilyName.V1)
    generator = tmp_path / "s2G488k.pth"
    write_sovits_weights(generator, _few_weights(), FAMILIES[FamilyName.V2], "1epoch_1iteration")
    with pytest.raises(CheckpointError, match="is a generator of v2, not of v1"):
        check_base_file(generator, Part.GENERATOR, FamilyName.V1)
    with pytest.raises(CheckpointError, match="lacks the weight"):
        check_base_file(generator, Part.GENERATOR, FamilyName.V2)
