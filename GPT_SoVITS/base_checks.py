"""Reading a base file to its last weight and saying whether it is what its name says; nothing in it is executed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from GPT_SoVITS.base_files import Part
from GPT_SoVITS.checkpoints import (
    POSTERIOR_PREFIX,
    checked_tensor,
    read_discriminator_weights,
    read_gpt_weights,
    read_sovits_weights,
)
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic

_LARGEST_TEXT_BYTES = 64 * 2**20
_ANCHORS: dict[Part, dict[str, tuple[int, ...]]] = {
    Part.HUBERT: {
        "feature_extractor.conv_layers.0.conv.weight": (512, 1, 10),
        "feature_projection.projection.weight": (768, 512),
        "encoder.layers.0.attention.q_proj.weight": (768, 768),
        "encoder.layers.11.feed_forward.output_dense.weight": (768, 3072),
    },
    Part.ROBERTA: {
        "embeddings.word_embeddings.weight": (21128, 1024),
        "encoder.layer.0.attention.self.query.weight": (1024, 1024),
        "encoder.layer.23.output.dense.weight": (1024, 4096),
    },
    Part.SPEAKER: {
        "conv1.weight": (64, 1, 3, 3),
        "layer1.0.conv1.weight": (96, 64, 1, 1),
        "layer4.2.conv3.weight": (2048, 768, 1, 1),
        "layer3_ds.weight": (2048, 1024, 3, 3),
    },
}
"""A few weights of each encoder with the shapes that its architecture gives them, to tell it from any other."""
_CONFIGS = {
    Part.HUBERT: {"hidden_size": 768, "num_hidden_layers": 12},
    Part.ROBERTA: {"hidden_size": 1024, "num_hidden_layers": 24},
}
_PREFIXES = {Part.HUBERT: "hubert.", Part.ROBERTA: "bert.", Part.SPEAKER: "module."}


def check_base_file(path: Path, part: Part, name: FamilyName) -> str:
    """Read a file as the part of a family's base that it should be, and return in a few words what it is.

    Raises:
        CheckpointError: it is damaged, hostile, or something else.
    """
    family = FAMILIES[name]
    match part:
        case Part.GENERATOR:
            return _generator(path, family)
        case Part.DISCRIMINATOR:
            _same(read_discriminator_weights(path), SovitsDiscriminator(family.sovits), path)
            return f"discriminators of {family.name}"
        case Part.GPT:
            return _gpt(path, family)
        case _:
            return _encoder(path, part)


def _generator(path: Path, family: Family) -> str:
    state, found, _ = read_sovits_weights(path, training_state=True)
    if found.name is not family.name:
        raise CheckpointError(f"{path.name} is a generator of {found.name}, not of {family.name}")
    _same(state, SovitsModel(family.sovits, family.audio), path, may_lack=POSTERIOR_PREFIX)
    return f"generator of {family.name}"


def _gpt(path: Path, family: Family) -> str:
    state, config, _ = read_gpt_weights(path, training_state=True)
    if config.phoneme_vocab_size != family.gpt.phoneme_vocab_size:
        rows = config.phoneme_vocab_size
        raise CheckpointError(f"{path.name} knows {rows} phones, the family {family.name} has others")
    _same(state, TextToSemantic(config), path)
    return f"text-to-semantic model of {family.name}"


def _same(state: Mapping[str, Tensor], model: nn.Module, path: Path, may_lack: str | None = None) -> None:
    """Refuse weights unless names and shapes are exactly those of the model."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, shape in expected.items():
        found = state.get(name)
        if found is None and not (may_lack and name.startswith(may_lack)):
            raise CheckpointError(f"{path.name} lacks the weight {name}; it belongs to another kind of model")
        if found is not None and tuple(found.shape) != shape:
            raise CheckpointError(f"{path.name}: the weight {name} has shape {list(found.shape)}, not {list(shape)}")
    if unknown := [name for name in state if name not in expected]:
        raise CheckpointError(f"{path.name} holds the weight {unknown[0]}, which this kind of model has not")


def _encoder(path: Path, part: Part) -> str:
    if path.suffix == ".json":
        return _json(path, part)
    if path.suffix == ".txt":
        return _vocabulary(path)
    state = _tensors(path)
    prefix = _PREFIXES[part]
    bare = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    for name, shape in _ANCHORS[part].items():
        found = bare.get(name)
        if found is None or tuple(found.shape) != shape:
            raise CheckpointError(f"{path.name} is not the {part} encoder: it has no weight {name} of {list(shape)}")
    return f"weights of the {part} encoder"


def _json(path: Path, part: Part) -> str:
    content = _text(path)
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is not JSON; copy or download it again") from error
    if path.name == "config.json":
        for key, wanted in _CONFIGS[part].items():
            if not isinstance(values, dict) or values.get(key) != wanted:
                raise CheckpointError(f"{path.name} does not describe the {part} encoder: {key} is not {wanted}")
    return f"settings of the {part} encoder"


def _vocabulary(path: Path) -> str:
    if "[CLS]" not in _text(path).split():
        raise CheckpointError(f"{path.name} is not the vocabulary of a text encoder: it has no [CLS]")
    return "vocabulary of the text encoder"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TEXT_BYTES:
            raise CheckpointError(f"{path.name} is larger than any file of this kind; it was not read")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path.name} cannot be read as text") from error


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a plain state dict in either of the two formats that encoders come in."""
    content: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=None)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path.name} holds something other than weights; it was refused") from error
    except Exception as error:  # both libraries raise many kinds for a damaged file
        raise CheckpointError(f"{path.name} is damaged ({type(error).__name__}); copy or download it again") from error
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path.name} holds no weights")
    return {str(name): checked_tensor(str(name), tensor, path) for name, tensor in content.items()}
