"""Finished weights in the public compact layout: `weight` (float16), `config`, `info`.

Files of the Pro families begin with a two-byte mark (`05` v2Pro, `06` v2ProPlus) in place of `PK`. A file of the
`nano` family also carries all of its sizes, so that it can be read after those have changed. State for resuming a
training is kept elsewhere (`training.snapshot`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from GPT_SoVITS.checkpoint_files import ZIP_MARK, HParams, plain_values, read_untrusted, write_atomically
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName, GptConfig, SovitsConfig

logger = logging.getLogger(__name__)

POSTERIOR_PREFIX = "enc_q."
"""Only training needs the posterior encoder; finished weights leave it out."""
_GPT_PREFIX = "model."
_MARKS = {FamilyName.V2_PRO: b"05", FamilyName.V2_PRO_PLUS: b"06"}
_SUPPORTED = frozenset({ZIP_MARK, b"00", b"01", *_MARKS.values()})
_UNSUPPORTED = {b"02": "v3", b"03": "v3 (LoRA)", b"04": "v4 (LoRA)"}
_FAMILY_OF_SYMBOLS = {322: FamilyName.V1, 732: FamilyName.V2}
_LARGEST_SIZE = 1_000_000
_Sizes = TypeVar("_Sizes", SovitsConfig, GptConfig)


class SovitsWeights(NamedTuple):
    """A semantic-to-waveform model (s2) read from a file."""

    state_dict: dict[str, Tensor]
    """Float32 on the CPU; without the posterior encoder unless the file is a pretrained base."""
    family: Family
    info: str


class GptWeights(NamedTuple):
    """A text-to-semantic model (s1) read from a file."""

    state_dict: dict[str, Tensor]
    """Float32 on the CPU, under the names of `TextToSemantic` (without the prefix `model.`)."""
    config: GptConfig
    info: str


def write_sovits_weights(path: Path, state_dict: Mapping[str, Tensor], family: Family, info: str) -> None:
    """Write the generator in the public compact layout; `info` is "<E>epoch_<S>iteration".

    Raises:
        CheckpointError: a weight is not finite, or does not fit float16.
    """
    kept = {name: tensor for name, tensor in state_dict.items() if "enc_q" not in name}
    content = {"weight": _half(kept, path), "config": HParams(_sovits_settings(family)), "info": info}
    write_atomically(path, content, _MARKS.get(family.name, ZIP_MARK))


def write_gpt_weights(path: Path, state_dict: Mapping[str, Tensor], family: Family, info: str) -> None:
    """Write the text-to-semantic model in the public compact layout; `info` is "GPT-e<epoch>".

    Raises:
        CheckpointError: a weight is not finite, or does not fit float16.
    """
    named = {_GPT_PREFIX + name: tensor for name, tensor in state_dict.items()}
    write_atomically(path, {"weight": _half(named, path), "config": _gpt_settings(family), "info": info})


def read_sovits_weights(path: Path) -> SovitsWeights:
    """Read finished or pretrained s2 weights; nothing in the file is executed.

    Raises:
        CheckpointError: the file is damaged, hostile, or of a version that cannot be used.
    """
    content, mark = read_untrusted(path, _SUPPORTED | frozenset(_UNSUPPORTED))
    if mark in _UNSUPPORTED:
        raise CheckpointError(
            f"{path.name} is a {_UNSUPPORTED[mark]} model, which is not supported; use one of: {', '.join(FamilyName)}"
        )
    state, settings, info = _parts(content, path)
    return SovitsWeights(state, _sovits_family(path, mark, state, settings), info)


def read_gpt_weights(path: Path) -> GptWeights:
    """Read finished or pretrained s1 weights; nothing in the file is executed.

    Raises:
        CheckpointError: the file is damaged, hostile, or not of this kind.
    """
    state, settings, info = _parts(read_untrusted(path, frozenset({ZIP_MARK}))[0], path)
    if not all(name.startswith(_GPT_PREFIX) for name in state):
        raise CheckpointError(f"{path.name} is not a GPT model file: its weights have other names")
    bare = {name.removeprefix(_GPT_PREFIX): tensor for name, tensor in state.items()}
    return GptWeights(bare, _gpt_config(path, settings), info)


def load_weights(model: nn.Module, state_dict: Mapping[str, Tensor], path: Path, may_lack: str | None = None) -> None:
    """Put weights that were read from `path` into `model`.

    Names that the model does not know are left out with a log line. `may_lack` is a prefix of names, such as
    `POSTERIOR_PREFIX`, that keep the values which the model has.

    Raises:
        CheckpointError: a weight is missing or has another shape; the model is unchanged.
    """
    expected = model.state_dict()
    for name, tensor in expected.items():
        found = state_dict.get(name)
        if found is None:
            if may_lack is None or not name.startswith(may_lack):
                raise CheckpointError(f"{path.name} lacks the weight {name}; it belongs to another kind of model")
        elif found.shape != tensor.shape:
            raise CheckpointError(
                f"{path.name}: the weight {name} has shape {list(found.shape)}, this model has {list(tensor.shape)}"
            )
    unknown = [name for name in state_dict if name not in expected]
    if unknown:
        logger.info("%s holds %d weights that this model does not use", path.name, len(unknown))
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


def _parts(content: dict[str, Any], path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Return the checked weights in float32, the settings as plain values and the info line."""
    weight, settings = content.get("weight"), plain_values(content.get("config", {}), path)
    if not isinstance(weight, dict) or not weight:
        raise CheckpointError(f"{path.name} holds no finished weights; a training state is not one")
    if not isinstance(settings, dict):
        raise CheckpointError(f"the settings in {path.name} are no set of named values")
    state = {}
    for name, tensor in weight.items():
        state[str(name)] = _checked(str(name), tensor, path)
    return state, settings, str(content.get("info", ""))


def _checked(name: str, tensor: object, path: Path) -> Tensor:
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
        raise CheckpointError(f"{path.name}: the weight {name} is not an ordinary tensor")
    if tensor.numel() > tensor.untyped_storage().nbytes() // tensor.element_size():
        raise CheckpointError(f"{path.name}: the weight {name} claims to be larger than the data behind it")
    value = tensor.detach()
    value = value.float() if value.is_floating_point() else value.clone()
    if value.is_complex() or not torch.isfinite(value).all():
        raise CheckpointError(f"{path.name}: the weight {name} holds values that are not finite")
    return value


def _sovits_family(path: Path, mark: bytes, state: dict[str, Tensor], settings: dict[str, Any]) -> Family:
    """Tell the family from the mark, else from the settings, else from the weights themselves."""
    model = settings.get("model", {})
    version = model.get("version") if isinstance(model, dict) else None
    if version in ("v3", "v4"):
        raise CheckpointError(
            f"{path.name} is a {version} model, which is not supported; use one of: {', '.join(FamilyName)}"
        )
    if version == FamilyName.NANO:
        nano = FAMILIES[FamilyName.NANO]
        return replace(nano, sovits=_rebuilt(nano.sovits, settings.get("sovits"), path))
    for pro, code in _MARKS.items():
        if mark == code or (mark == ZIP_MARK and version == pro):
            return FAMILIES[pro]
    if "sv_emb.weight" in state:  # public pretrained files carry neither mark nor version
        first = state.get("dec.conv_pre.weight")
        wide = (
            first is not None
            and first.dim() > 0
            and first.shape[0] == FAMILIES[FamilyName.V2_PRO_PLUS].sovits.upsample_initial_channel
        )
        return FAMILIES[FamilyName.V2_PRO_PLUS if wide else FamilyName.V2_PRO]
    return FAMILIES[_family_by_symbols(mark, version, state)]


def _family_by_symbols(mark: bytes, version: object, state: dict[str, Tensor]) -> FamilyName:
    """Tell v1 from v2: the size of the phone table decides, as some public v1 files call themselves v2."""
    table = state.get("enc_p.text_embedding.weight")
    by_table = _FAMILY_OF_SYMBOLS.get(table.shape[0]) if table is not None and table.dim() else None
    if by_table is not None:
        return by_table
    return FamilyName.V1 if version == FamilyName.V1 or mark == b"00" else FamilyName.V2


def _gpt_config(path: Path, settings: dict[str, Any]) -> GptConfig:
    model, data = settings.get("model"), settings.get("data", {})
    if not isinstance(model, dict) or not isinstance(data, dict):
        raise CheckpointError(f"{path.name} is not a GPT model file: it holds no settings of the model")
    sizes = {name: model[name] for name in _names(GptConfig) if name in model}
    if "ffn_dim" not in sizes and isinstance(sizes.get("hidden_dim"), int):
        sizes["ffn_dim"] = 4 * sizes["hidden_dim"]  # the public `linear_units` has no effect
    for ours, theirs in (("eos", model.get("EOS")), ("max_sec", data.get("max_sec"))):
        if theirs is not None:
            sizes[ours] = theirs
    config = _rebuilt(GptConfig(), sizes, path)
    if config.hidden_dim % config.head or config.embedding_dim != config.hidden_dim:
        raise CheckpointError(f"the settings in {path.name} do not fit together: width and heads of the model")
    if config.eos != config.vocab_size - 1:
        raise CheckpointError(f"the settings in {path.name} do not fit together: the end token is not the last one")
    return config


def _names(kind: type[SovitsConfig] | type[GptConfig]) -> list[str]:
    return [field.name for field in fields(kind)]


def _rebuilt(default: _Sizes, values: object, path: Path) -> _Sizes:
    """Return `default` with the sizes that a file names; each must be of the kind and order of size it should be."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{path.name} does not say which sizes its model has")
    changes = {}
    for name in _names(type(default)):
        if name in values:
            value = _tuples(values[name])
            if not _plausible(value, getattr(default, name)):
                raise CheckpointError(f"the setting {name} in {path.name} has no usable value")
            changes[name] = value
    return replace(default, **changes)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def _plausible(value: object, like: object) -> bool:
    if isinstance(like, tuple):
        return isinstance(value, tuple) and 0 < len(value) <= 64 and all(_plausible(v, like[0]) for v in value)
    if isinstance(like, str):
        return isinstance(value, str) and len(value) <= 64
    if isinstance(like, float):
        return isinstance(value, int | float) and 0.0 <= value <= 1.0
    if like is None:
        return value is None or _plausible(value, 1)
    if value is None:
        return False
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_SIZE


def _sovits_settings(family: Family) -> dict[str, Any]:
    """Return the settings that public tools read from an s2 file."""
    sizes, audio = family.sovits, family.audio
    values = asdict(sizes)
    shared = (
        "inter_channels hidden_channels filter_channels n_heads n_layers kernel_size p_dropout resblock_kernel_sizes "
        "resblock_dilation_sizes upsample_rates upsample_initial_channel upsample_kernel_sizes gin_channels version"
    )
    model = {name: _lists(values[name]) for name in shared.split()}
    model |= {"resblock": "1", "n_layers_q": 3, "use_spectral_norm": False}
    model |= {"semantic_frame_rate": "25hz", "freeze_quantizer": True}
    settings: dict[str, Any] = {
        "train": {"segment_size": sizes.segment_samples, "c_mel": 45, "c_kl": 1.0, "text_low_lr_rate": 0.4},
        "data": {
            "max_wav_value": 32768.0,
            "sampling_rate": audio.sample_rate_hz,
            "filter_length": audio.fft_samples,
            "hop_length": audio.hop_samples,
            "win_length": audio.window_samples,
            "n_mel_channels": audio.mel_bands,
            "mel_fmin": 0.0,
            "mel_fmax": None,
            "add_blank": True,
            "n_speakers": 300,
            "cleaned_text": True,
        },
        "model": model,
    }
    if family.name is FamilyName.NANO:
        settings["sovits"] = {name: _lists(value) for name, value in values.items()}
    return settings


def _gpt_settings(family: Family) -> dict[str, Any]:
    """Return the settings that public tools read from an s1 file."""
    sizes = asdict(family.gpt)
    max_sec, eos = sizes.pop("max_sec"), sizes.pop("eos")
    model = sizes | {"EOS": eos, "linear_units": sizes["ffn_dim"], "dropout": 0, "random_bert": 0}
    return {
        "family": str(family.name),
        "data": {"max_sec": max_sec, "pad_val": eos},
        "model": model,
        "inference": {"top_k": 15},
    }


def _lists(value: Any) -> Any:
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
