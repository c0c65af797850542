"""Which clips are trained on, in which batches and at which rates: the public rules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from GPT_SoVITS.audio import write_wav
from GPT_SoVITS.batching import pieces_together
from GPT_SoVITS.dataset import CONTENT_FOLDER, WAVE_FOLDER, SemanticLine, TextLine, save_features
from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.families import Family, family
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.gpt_data import gpt_batches, load_gpt_items
from GPT_SoVITS.training.recipe import GptRecipe, SovitsRecipe, repetitions
from GPT_SoVITS.training.sovits_data import (
    SovitsItem,
    bucket_of,
    collate_sovits,
    complete_clips,
    load_sovits_items,
    sovits_batches,
)
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee
from tests.engine.classic_family import classic_family
from tests.engine.golden import golden_file

HEADER_BYTES = 44
PUBLIC_FIRST_EPOCH = 1
"""The public s2 trainer counts epochs from 1; ours from 0."""


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(golden_file("vectors/data_rules.json").read_text(encoding="utf-8"))
    return loaded


def test_pieces_are_batched_as_in_public(rules: dict[str, Any]) -> None:
    for case in rules["to_batch"]:
        batches = pieces_together(
            case["norm_text_lengths"], case["batch_size"], evenness=case["threshold"], by_length=case["split_bucket"]
        )
        assert batches == case["batches"]


def test_waveform_batches_are_the_public_ones_on_every_rank(rules: dict[str, Any]) -> None:
    recipe = SovitsRecipe(small_set=1)
    for case in rules["s2_sampler"]:
        rank, ranks = case["rank"], case["num_replicas"]
        whole = sovits_batches(case["lengths"], case["batch_size"] * ranks, case["epoch"] - PUBLIC_FIRST_EPOCH, recipe)
        assert [batch[rank::ranks] for batch in whole] == case["batches"]


def test_semantic_batches_are_the_public_ones(rules: dict[str, Any]) -> None:
    for case in rules["s1_sampler"]:
        batches = gpt_batches(case["seconds"], case["batch_size"], case["epoch"], GptRecipe(small_set=1))
        assert [index for batch in batches for index in batch] == case["indices"]
        assert all(len(batch) == case["batch_size"] for batch in batches[:-1])


def test_padding_is_the_public_one(rules: dict[str, Any]) -> None:
    case = rules["s2_collate"]
    items = [
        SovitsItem(
            str(frames),
            torch.ones(phones, dtype=torch.int64),
            torch.ones(768, frames),
            torch.ones(1025, frames),
            torch.ones(frames * 640),
            torch.ones(20_480),
        )
        for frames, phones in zip(case["in_frames"], case["in_phones"], strict=True)
    ]
    batch = collate_sovits(items)
    inputs = batch.inputs
    assert inputs.speaker_vectors is not None
    made = {
        "ssl": inputs.ssl,
        "spec": inputs.spectrogram,
        "spec_lengths": inputs.spectrogram_lengths,
        "wav": batch.waves,
        "text": inputs.phones,
        "text_lengths": inputs.phones_lengths,
        "sv_emb": inputs.speaker_vectors,
    }
    shapes = dict(zip(case["names"], case["shapes"], strict=True))
    assert {name: list(tensor.shape) for name, tensor in made.items()} == {name: shapes[name] for name in made}
    assert inputs.spectrogram_lengths.tolist() == case["spec_lengths"]
    assert inputs.phones_lengths.tolist() == case["text_lengths"]
    valid = sum(case["in_frames"])
    assert inputs.ssl[:, 0].sum() == inputs.spectrogram[:, 0].sum() == valid and batch.waves.sum() == valid * 640


@pytest.fixture
def small() -> Family:
    """A public family with narrow content features, so that a data set is written in no time."""
    known = family("v2")
    return replace(known, sovits=replace(known.sovits, ssl_channels=4))


def _texts(items: list[dict[str, Any]]) -> dict[str, TextLine]:
    return {
        item["name"]: TextLine(item["name"], ("a1",) * item["n_phones"] or ("no such phone",), None, "text")
        for item in items
    }


def _write_clip(experiment: Path, item: dict[str, Any]) -> None:
    samples = (item["wav_bytes"] - HEADER_BYTES) // 2
    write_wav(experiment / WAVE_FOLDER / item["name"], np.zeros(samples, np.float32), 32_000)
    assert (experiment / WAVE_FOLDER / item["name"]).stat().st_size == item["wav_bytes"]
    save_features(experiment / CONTENT_FOLDER / f"{item['name']}.pt", torch.zeros(1, 4, samples // 640))


@pytest.mark.parametrize("number", [0, 1])
def test_waveform_clips_are_kept_measured_and_repeated_as_in_public(
    rules: dict[str, Any], number: int, small: Family, tmp_path: Path
) -> None:
    # given a data set as the public loader was given it
    case, recipe = rules["dataset_filters"][number], SovitsRecipe()
    for folder in (WAVE_FOLDER, CONTENT_FOLDER):
        (tmp_path / folder).mkdir()
    for item in case["items"]:
        if item["wav_bytes"] is not None:
            _write_clip(tmp_path, item)
    names, texts = [item["name"] for item in case["items"]], _texts(case["items"])
    # when it is loaded
    items, left_out = load_sovits_items(tmp_path, names, texts, small, recipe)
    found = len(complete_clips(tmp_path, names, texts, small))
    # then the same clips are used; those that the public sampler drops silently are named with their reason
    buckets = {name: bucket_of(frames, recipe.bucket_limits_frames) for name, frames in case["s2_lengths"].items()}
    assert sorted(item.name for item in items) == sorted(name for name in case["s2_kept"] if buckets[name] is not None)
    assert {each.name for each in left_out} == set(names) - {item.name for item in items}
    for item in items:
        assert (item.wave.shape[0] + HEADER_BYTES // 2) // 640 == case["s2_lengths"][item.name]
    # and they are repeated as often
    assert repetitions(found) == case["s2_copies"]
    assert len(case["s2_kept"]) * repetitions(found) == case["s2_total"]
    batches = sovits_batches([item.frames for item in items], 1, 0, recipe, found)
    assert len(batches) == len(items) * case["s2_copies"]


@pytest.mark.parametrize("number", [0, 1])
def test_semantic_clips_are_kept_and_repeated_as_in_public(rules: dict[str, Any], number: int, tmp_path: Path) -> None:
    case = rules["dataset_filters"][number]
    rows = [SemanticLine(item["name"], (5,) * item["n_semantic"]) for item in case["items"]]
    items, _ = load_gpt_items(tmp_path, _texts(case["items"]), rows, family("v2"), GptRecipe())
    assert [item.name for item in items] == case["s1_order"]
    assert repetitions(len(items)) == case["s1_copies"]
    assert len(items) * repetitions(len(items)) == case["s1_total"]


def test_learning_rates_and_optimisers_are_the_public_ones() -> None:
    expected = json.loads(golden_file("vectors/s2_lr.json").read_text(encoding="utf-8"))
    nano = classic_family()
    sizes = replace(
        nano.sovits,
        hidden_channels=32,
        inter_channels=32,
        filter_channels=32,
        upsample_initial_channel=16,
        posterior_layers=1,
        discriminator_periods=(2,),
        segment_samples=8 * 640,
    )
    tiny = replace(nano, sovits=sizes)
    model, critic = SovitsModel(sizes, tiny.audio), SovitsDiscriminator(sizes)
    model.quantizer.codebook.inited.fill_(1)
    item = SovitsItem(
        "clip", torch.ones(9, dtype=torch.int64), torch.randn(512, 40), torch.rand(1025, 40), torch.randn(25_600) * 0.1
    )
    trainee = SovitsTrainee(model, critic, [item], SovitsSetup(tiny, SovitsRecipe(), choose_compute("cpu"), 1))
    for epoch in expected["per_epoch"][::3]:
        losses = trainee.train(epoch["epoch"] - PUBLIC_FIRST_EPOCH, 0, [0])
        groups = [group["lr"] for group in trainee.model_optimizer.param_groups]
        assert losses["learning_rate"] == pytest.approx(epoch["base_lr"], rel=1e-12)
        assert groups == pytest.approx([epoch["base_lr"], *[epoch["text_lr"]] * 3], rel=1e-12)
        assert trainee.critic_optimizer.param_groups[0]["lr"] == pytest.approx(epoch["base_lr"], rel=1e-12)
    for optimizer in (trainee.model_optimizer, trainee.critic_optimizer):
        for name, value in expected["optimizer_defaults"].items():
            made = optimizer.defaults[name]
            assert (list(made) if isinstance(made, tuple) else made) == value, name
