"""The settings inside weight files: written as public tools read them, read back as checked sizes. Loads no torch."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import Family, FamilyName, GptConfig, SovitsConfig

_LARGEST_SIZE = 1_000_000
_Sizes = TypeVar("_Sizes", SovitsConfig, GptConfig)


def gpt_config(path: Path, settings: dict[str, Any]) -> GptConfig:
    """Return the sizes of a text-to-semantic model from the settings in its file.

    Raises:
        CheckpointError: they are missing, implausible, or do not fit together.
    """
    model, data = settings.get("model"), settings.get("data", {})
    if not isinstance(model, dict) or not isinstance(data, dict):
        raise CheckpointError(f"{path.name} is not a GPT model file: it holds no settings of the model")
    sizes = {name: model[name] for name in _names(GptConfig) if name in model}
    if "ffn_dim" not in sizes and isinstance(sizes.get("hidden_dim"), int):
        sizes["ffn_dim"] = 4 * sizes["hidden_dim"]  # the public `linear_units` has no effect
    for ours, theirs in (("eos", model.get("EOS")), ("max_sec", data.get("max_sec"))):
        if theirs is not None:
            sizes[ours] = theirs
    config = rebuilt(GptConfig(), sizes, path)
    if config.hidden_dim % config.head or config.embedding_dim != config.hidden_dim:
        raise CheckpointError(f"the settings in {path.name} do not fit together: width and heads of the model")
    if config.eos != config.vocab_size - 1:
        raise CheckpointError(f"the settings in {path.name} do not fit together: the end token is not the last one")
    return config


def _names(kind: type[SovitsConfig] | type[GptConfig]) -> list[str]:
    return [field.name for field in fields(kind)]


def rebuilt(default: _Sizes, values: object, path: Path) -> _Sizes:
    """Return `default` with the sizes that a file names; each must be of the kind and order of size it should be.

    Raises:
        CheckpointError: there are none, or one is not.
    """
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
    least = 0 if like == 0 else 1  # what may be absent is 0 by default
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST_SIZE


def sovits_settings(family: Family) -> dict[str, Any]:
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


def gpt_settings(family: Family) -> dict[str, Any]:
    """Return the settings that public tools read from an s1 file."""
    sizes = asdict(family.gpt)
    max_sec, eos = sizes.pop("max_sec"), sizes.pop("eos")
    if not family.gpt.is_aligned:
        del sizes["text_window"], sizes["longest_rest"]  # no public tool knows them
    model = sizes | {"EOS": eos, "linear_units": sizes["ffn_dim"], "dropout": 0, "random_bert": 0}
    return {
        "family": str(family.name),
        "data": {"max_sec": max_sec, "pad_val": eos},
        "model": model,
        "inference": {"top_k": 15},
    }


def _lists(value: Any) -> Any:
    """Return a setting in kinds that every reader accepts: lists for tuples, text for our enumerations."""
    if isinstance(value, tuple):
        return [_lists(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
