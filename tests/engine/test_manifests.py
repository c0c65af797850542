"""Every public checkpoint of the supported families has exactly the weights that our classes expect."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from GPT_SoVITS.encoder_folder import without_prefix
from GPT_SoVITS.families import family
from GPT_SoVITS.hubert import HubertEncoder
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.roberta import TextEncoder
from tests.engine.golden import golden_file

MODELS = {
    **{f"s2_{name}": ("generator", name) for name in ("v1", "v2", "v2Pro", "v2ProPlus")},
    "s2d_v2": ("discriminator", "v2"),
    "s2d_v2ProPlus": ("discriminator", "v2ProPlus"),
    "s1_v1": ("gpt", "v1"),
    "s1_v2": ("gpt", "v2ProPlus"),
    "sv_eres2netv2": ("speaker", "v2Pro"),
}


def _manifest(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(golden_file(f"manifests/{name}.json").read_text(encoding="utf-8"))
    return manifest


def _empty(kind: str, name: str) -> nn.Module:
    known = family(name)
    with torch.device("meta"):
        if kind == "generator":
            return SovitsModel(known.sovits, known.audio)
        if kind == "discriminator":
            return SovitsDiscriminator(known.sovits)
        return TextToSemantic(known.gpt) if kind == "gpt" else ERes2NetV2()


@pytest.mark.parametrize("manifest", MODELS)
def test_names_shapes_kinds_and_order_are_the_public_ones(manifest: str) -> None:
    kind, name = MODELS[manifest]
    model, prefix = _empty(kind, name), "model." if kind == "gpt" else ""
    buffers = {name for name, _ in model.named_buffers()}
    ours = [
        (prefix + name, list(tensor.shape), "buffer" if name in buffers else "param")
        for name, tensor in model.state_dict().items()
    ]
    assert ours == [(name, spec["shape"], spec["kind"]) for name, spec in _manifest(manifest)["tensors"].items()]


def _zeros(manifest: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    """Return weights of the public names and shapes; pages of zeros take no memory until they are written to."""
    zeros = {name: torch.zeros(spec["shape"], dtype=torch.float16) for name, spec in manifest["tensors"].items()}
    return without_prefix(zeros, prefix)


def test_hubert_takes_exactly_the_public_weights(caplog: pytest.LogCaptureFixture) -> None:
    manifest = _manifest("hubert_base")
    with caplog.at_level(logging.INFO, "GPT_SoVITS"):
        HubertEncoder(manifest["config"], _zeros(manifest, ""), Path("manifest"))
    assert not caplog.records, "a weight was left over"


def test_roberta_takes_exactly_the_public_weights(caplog: pytest.LogCaptureFixture) -> None:
    manifest = _manifest("bert_large")
    tokens = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}
    with caplog.at_level(logging.INFO, "GPT_SoVITS"):
        TextEncoder(manifest["config"], _zeros(manifest, "bert."), tokens, Path("manifest"))
    assert not caplog.records, "a weight was left over"
