"""Model weights in the public layouts: finished ones (`weight`, `config`, `info`), bases, and training states.

Finished weights are float16; files of the Pro families begin with a two-byte mark (`05` v2Pro, `06` v2ProPlus) in
place of `PK`. A file of the `nano` family also carries all of its sizes, so that it can be read after those have
changed. Public training states (`G_<n>.pth`, `D_<n>.pth`, Lightning `.ckpt`) are read and written here, too; our own
state for resuming a training is kept elsewhere (`training.snapshot`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from GPT_SoVITS.checkpoint_files import HParams, UntrustedFile, ordinary, plain_values, read_untrusted, write_atomically
from GPT_SoVITS.checkpoint_settings import gpt_config, gpt_settings, sovits_settings
from GPT_SoVITS.checkpoint_versions import MARKS, ZIP_MARK, family_of, recognise, refuse_unsupported
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import Family, GptConfig

logger = logging.getLogger(__name__)

POSTERIOR_PREFIX = "enc_q."
"""Only training needs the posterior encoder; finished weights leave it out."""
_GPT_PREFIX = "model."
_SOVITS_PREFIXES = ("enc_p.", "dec.")
_LONGEST_INFO = 200
_LARGEST_NUMBER = 10**12
_SUPPORTED = frozenset({ZIP_MARK, b"00", b"01", *MARKS.values()})


class SovitsWeights(NamedTuple):
    """A semantic-to-waveform model (s2) read from a file."""

    state_dict: dict[str, Tensor]
    """Float32 on the CPU; without the posterior encoder unless the file is a base or a training state."""
    family: Family
    info: str


class GptWeights(NamedTuple):
    """A text-to-semantic model (s1) read from a file."""

    state_dict: dict[str, Tensor]
    """Float32 on the CPU, under the names of `TextToSemantic` (without the prefix `model.`)."""
    config: GptConfig
    info: str


class TrainingProgress(NamedTuple):
    """What a public training state records beside the weights."""

    epoch: int
    learning_rate: float
    """The one that the training began with."""
    optimizer: dict[str, Any]
    """State dict of the torch optimiser."""


def write_sovits_weights(path: Path, state_dict: Mapping[str, Tensor], family: Family, info: str) -> None:
    """Write the generator in the public compact layout; `info` is "<E>epoch_<S>iteration".

    Raises:
        CheckpointError: a weight is not finite, or does not fit float16.
    """
    kept = {name: tensor for name, tensor in state_dict.items() if "enc_q" not in name}
    content = {"weight": _half(kept, path), "config": HParams(sovits_settings(family)), "info": info}
    write_atomically(path, content, MARKS.get(family.name, ZIP_MARK))


def write_gpt_weights(path: Path, state_dict: Mapping[str, Tensor], family: Family, info: str) -> None:
    """Write the text-to-semantic model in the public compact layout; `info` is "GPT-e<epoch>".

    Raises:
        CheckpointError: a weight is not finite, or does not fit float16.
    """
    named = {_GPT_PREFIX + name: tensor for name, tensor in state_dict.items()}
    write_atomically(path, {"weight": _half(named, path), "config": gpt_settings(family), "info": info})


def write_training_state(path: Path, state_dict: Mapping[str, Tensor], progress: TrainingProgress) -> None:
    """Write a generator or discriminator with its optimiser as public trainers resume from: `G_<n>.pth`, `D_<n>.pth`.

    Args:
        path: where to; the number in its name orders the states of a training.
        state_dict: all weights, the posterior encoder among them; they are kept in full precision.
        progress: how far the training is.
    """
    content = {
        "model": {name: tensor.detach().cpu() for name, tensor in state_dict.items()},
        "iteration": progress.epoch,
        "optimizer": progress.optimizer,
        "learning_rate": progress.learning_rate,
    }
    write_atomically(path, content)


def read_sovits_weights(path: Path, *, training_state: bool = False) -> SovitsWeights:
    """Read finished or pretrained s2 weights; nothing in the file is executed.

    Args:
        path: the file.
        training_state: whether a public training state (`G_<n>.pth`) will do as well.

    Raises:
        CheckpointError: the file is damaged, hostile, or of a version that cannot be used.
    """
    refuse_unsupported(path)
    file = read_untrusted(path, _SUPPORTED)
    state = _state(file, path, "model" if training_state else "")
    if not any(name.startswith(_SOVITS_PREFIXES) for name in state):
        raise CheckpointError(f"{path.name} is not a SoVITS model file: its weights have other names")
    settings = _settings(file.content.get("config"), path)
    family = family_of(path, state, settings, recognise(file.head, file.size_bytes))
    info = _info(file.content, f"{_number(file.content, 'iteration')}epoch")
    return SovitsWeights(state, family, info)


def read_discriminator_weights(path: Path) -> dict[str, Tensor]:
    """Read a pretrained discriminator, or a public training state (`D_<n>.pth`), in float32 on the CPU.

    Raises:
        CheckpointError: the file is damaged or hostile.
    """
    return _state(read_untrusted(path, frozenset({ZIP_MARK})), path, "model")


def read_gpt_weights(path: Path, *, training_state: bool = False) -> GptWeights:
    """Read finished or pretrained s1 weights; nothing in the file is executed.

    Args:
        path: the file.
        training_state: whether a Lightning training state will do as well.

    Raises:
        CheckpointError: the file is damaged, hostile, or not of this kind.
    """
    content = (file := read_untrusted(path, frozenset({ZIP_MARK}))).content
    state = _state(file, path, "state_dict" if training_state else "")
    if not all(name.startswith(_GPT_PREFIX) for name in state):
        raise CheckpointError(f"{path.name} is not a GPT model file: its weights have other names")
    bare = {name.removeprefix(_GPT_PREFIX): tensor for name, tensor in state.items()}
    kept = content.get("config")
    if kept is None and isinstance(content.get("hyper_parameters"), dict):
        kept = content["hyper_parameters"].get("config")
    info = _info(content, f"GPT-e{_number(content, 'epoch')}")
    return GptWeights(bare, gpt_config(path, _settings(kept, path)), info)


def read_training_progress(path: Path) -> TrainingProgress:
    """Read how far a public training state (`G_<n>.pth`, `D_<n>.pth`) is.

    Raises:
        CheckpointError: the file is damaged, hostile, or not a training state.
    """
    content = read_untrusted(path, frozenset({ZIP_MARK})).content
    epoch, rate, optimizer = (content.get(name) for name in ("iteration", "learning_rate", "optimizer"))
    if not isinstance(epoch, int) or not isinstance(rate, int | float) or not isinstance(optimizer, dict):
        raise CheckpointError(f"{path.name} is not a training state: it does not say how far the training was")
    return TrainingProgress(epoch, float(rate), optimizer)


def load_weights(model: nn.Module, state_dict: Mapping[str, Tensor], path: Path, may_lack: str | None = None) -> None:
    """Put weights that were read from `path` into `model`.

    Names that the model does not know are left out with a log line. `may_lack` is a prefix of names, such as
    `POSTERIOR_PREFIX` or "" for all, that keep the values which the model has, with a log line as well.

    Raises:
        CheckpointError: a weight is missing or has another shape; the model is unchanged.
    """
    expected = model.state_dict()
    missing = [name for name in expected if name not in state_dict]
    for name in missing:
        if may_lack is None or not name.startswith(may_lack) or len(missing) == len(expected):
            raise CheckpointError(f"{path.name} lacks the weight {name}; it belongs to another kind of model")
    for name, tensor in expected.items():
        found = state_dict.get(name)
        if found is not None and found.shape != tensor.shape:
            raise CheckpointError(
                f"{path.name}: the weight {name} has shape {list(found.shape)}, this model has {list(tensor.shape)}"
            )
    unknown = [name for name in state_dict if name not in expected]
    if unknown:
        logger.info("%s holds %d weights that this model does not use", path.name, len(unknown))
    if missing:
        logger.info("%s lacks %d weights; the model keeps its own", path.name, len(missing))
    model.load_state_dict({name: state_dict[name] for name in expected if name in state_dict}, strict=False)


def _half(state_dict: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    halves = {}
    for name, tensor in state_dict.items():
        value = tensor.detach().cpu()
        half = value.half() if value.is_floating_point() else value.clone()
        if not torch.isfinite(half).all():
            raise CheckpointError(f"{path.name} was not written: the weight {name} is not finite in half precision")
        halves[name] = half.contiguous()
    return halves


def _state(file: UntrustedFile, path: Path, training_key: str) -> dict[str, Tensor]:
    """Return the checked weights in float32; `training_key` is where a training state keeps them, "" to refuse one."""
    weight = file.content.get("weight")
    if weight is None and training_key:
        weight = file.content.get(training_key)
    if not isinstance(weight, dict) or not weight:
        raise CheckpointError(f"{path.name} holds no finished weights; a training state is not one")
    if not all(isinstance(name, str) for name in weight):
        raise CheckpointError(f"{path.name} is not a model file: a weight in it has no name")
    state = {name: ordinary(name, tensor, path) for name, tensor in weight.items()}
    if sum(tensor.nbytes for tensor in state.values()) > file.size_bytes:
        raise CheckpointError(f"{path.name} claims to hold more than its size: it names the same data many times")
    return {name: _finite(name, tensor, path) for name, tensor in state.items()}


def _settings(config: object, path: Path) -> dict[str, Any]:
    settings = plain_values({} if config is None else config, path)
    if not isinstance(settings, dict):
        raise CheckpointError(f"the settings in {path.name} are no set of named values")
    return settings


def _info(content: Mapping[str, Any], otherwise: str) -> str:
    """Return what a file says of its training, at most a line of it."""
    said = content.get("info")
    return said[:_LONGEST_INFO] if said and isinstance(said, str) else otherwise


def _number(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return str(value) if isinstance(value, int) and abs(value) <= _LARGEST_NUMBER else ""


def _finite(name: str, tensor: Tensor, path: Path) -> Tensor:
    """Return a weight, a floating-point one in float32.

    Raises:
        CheckpointError: a value is not finite.
    """
    value = tensor.float() if tensor.is_floating_point() else tensor.clone()
    if not torch.isfinite(value).all():
        raise CheckpointError(f"{path.name}: the weight {name} holds values that are not finite")
    return value
