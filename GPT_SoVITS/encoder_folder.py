"""Encoders as transformers saves them: a folder of `config.json` and `model.safetensors` or `pytorch_model.bin`.

Nothing in a folder is executed and nothing is fetched; sizes, names and shapes are checked before a weight is used.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from GPT_SoVITS.checkpoint_files import ordinary, read_untrusted
from GPT_SoVITS.checkpoint_versions import ZIP_MARK
from GPT_SoVITS.errors import CheckpointError

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
SAFETENSORS_FILE = "model.safetensors"
PICKLED_FILE = "pytorch_model.bin"
_LARGEST_SIZE = 1_000_000
_MOST_LAYERS = 64
_RENAMED = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Endings of names in files of the format's first years, and the ones of today."""


def read_settings(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return those of the settings `names` that a folder's config.json holds.

    Raises:
        CheckpointError: the file is missing or damaged, or a size in it is absurd.
    """
    path = folder / CONFIG_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; copy the whole model folder again") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON; copy the model folder again") from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} holds no named settings; copy the model folder again")
    kept = {name: settings[name] for name in names if name in settings}
    for name, value in kept.items():
        if not _plausible(value) or (name == "num_hidden_layers" and not 0 < value <= _MOST_LAYERS):
            raise CheckpointError(f"the setting {name} in {path} has no usable value")
    return kept


def _plausible(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_LAYERS and all(_plausible(inner) for inner in value)
    if isinstance(value, int | float):
        return math.isfinite(value) and 0 <= value <= _LARGEST_SIZE
    return isinstance(value, str)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder's weight file, as stored, under their names of today.

    Raises:
        CheckpointError: the file is missing, damaged or holds something other than tensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / SAFETENSORS_FILE
    try:
        content: Mapping[str, Any] = load_file(path) if path.exists() else _read_pickled(folder)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged; copy or download it again") from error
    if not all(isinstance(name, str) for name in content):
        raise CheckpointError(f"the weights in {folder} are no named tensors; copy the folder again")
    return {_current(name): tensor for name, tensor in content.items()}


def _read_pickled(folder: Path) -> dict[str, Any]:
    path = folder / PICKLED_FILE
    if not path.exists():
        raise CheckpointError(f"{folder} holds neither {SAFETENSORS_FILE} nor {PICKLED_FILE}; copy the folder again")
    return read_untrusted(path, frozenset({ZIP_MARK})).content


def _current(name: str) -> str:
    for ending, ours in _RENAMED.items():
        if name.endswith(ending):
            return name.removesuffix(ending) + ours
    return name


def without_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights with `prefix` taken off; a file written from the bare encoder has none and stays as it is."""
    inner = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    return inner or dict(weights)


def without_values(build: Callable[[], nn.Module], source: Path) -> Any:
    """Return the network that `build` makes from settings out of `source`, on the meta device: it takes no memory.

    Raises:
        CheckpointError: the settings do not fit together.
    """
    try:
        with torch.device("meta"):
            return build()
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError, ZeroDivisionError) as error:
        raise CheckpointError(f"the settings in {source} do not fit together: {error}") from error


def install_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Give a model, built on the meta device, its weights in float32; weights that it does not know are left out.

    Args:
        model: all of its parameters and buffers must be in `weights`, by name and shape.
        weights: tensors of any floating type.
        source: named in errors.

    Raises:
        CheckpointError: a weight is missing, of another shape, no ordinary tensor, or not finite.
    """
    state = {}
    for name, expected in model.state_dict().items():
        found = weights.get(name)
        if found is None:
            raise CheckpointError(f"{source} lacks the weight {name}; it belongs to another kind of model")
        found = ordinary(name, found, source)
        if found.shape != expected.shape:
            shapes = f"{list(found.shape)}, this model has {list(expected.shape)}"
            raise CheckpointError(f"{source}: the weight {name} has shape {shapes}")
        value = found.to(expected.dtype)
        if not torch.isfinite(value).all():
            raise CheckpointError(f"{source}: the weight {name} holds values that are not finite")
        state[name] = value
    if unknown := len(weights) - len(state):
        logger.info("%s holds %d weights that this model does not use", source, unknown)
    model.load_state_dict(state, assign=True)
    model.requires_grad_(False)
