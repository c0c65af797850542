"""The base of the nano family that comes in the package: half-precision safetensors beside their checksums.

`GPT_SoVITS/pretrained_models/nano/` holds `sovits.safetensors`, `gpt.safetensors`, `SHA256SUMS` and the model card. A
folder of models that holds `nano/` of its own comes first. Without either, nano trains from random weights.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from GPT_SoVITS.base_files import NANO_CHECKSUMS as CHECKSUMS_FILE
from GPT_SoVITS.base_files import nano_base as nano_base
from GPT_SoVITS.checkpoints import load_weights
from GPT_SoVITS.errors import CheckpointError

SOVITS_FILE = "sovits.safetensors"
GPT_FILE = "gpt.safetensors"
LARGEST_FILE_BYTES = 16_000_000
_PROJECTION, _SCALES = "ssl_proj.weight", "ssl_proj.scales"
_CODEBOOK = "quantizer.vq.layers.0._codebook."


def base_version(folder: Path) -> str:
    """Return what `trained_from` tells of a base: its family and the first digits of its checksum."""
    return f"nano-base-{hashlib.sha256((folder / CHECKSUMS_FILE).read_bytes()).hexdigest()[:8]}"


def load_nano_base(model: nn.Module, folder: Path, name: str) -> None:
    """Put weights of the base into a model.

    Args:
        model: a SovitsModel or TextToSemantic of the nano family.
        folder: see `nano_base`.
        name: SOVITS_FILE or GPT_FILE.

    Raises:
        CheckpointError: the file is missing, damaged, or made for other sizes.
    """
    from safetensors.torch import load

    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; install sovits-daemon again") from error
    if _checksums(folder).get(name) != hashlib.sha256(content).hexdigest():
        raise CheckpointError(f"{path} is damaged: its checksum is another; install sovits-daemon again")
    state = {key: value.float() if value.is_floating_point() else value for key, value in load(content).items()}
    load_weights(model, _unpacked(state), path)


def write_nano_base(folder: Path, sovits: Mapping[str, Tensor], gpt: Mapping[str, Tensor], facts: object) -> None:
    """Write both state dicts, the facts about them (config.json) and the checksums of all three.

    Raises:
        CheckpointError: a weight is not finite in half precision, or a file is larger than 16 MB.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        SOVITS_FILE: save(_halves(_packed(sovits))),
        GPT_FILE: save(_halves(gpt)),
        "config.json": (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode("utf-8"),
    }
    for name, content in contents.items():
        if len(content) > LARGEST_FILE_BYTES:
            raise CheckpointError(f"{name} would be {len(content) / 1e6:.1f} MB; it may have 16 at most")
        _write(folder / name, content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items()]
    _write(folder / CHECKSUMS_FILE, "".join(sums).encode("ascii"))


def _packed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what follows from the rest: the projection of content features only scales channels, each by itself."""
    kept = dict(state)
    kept[_SCALES] = torch.diagonal(kept.pop(_PROJECTION)).clone()  # [frames, channels]
    del kept[_CODEBOOK + "embed_avg"]
    return kept


def _unpacked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `_packed`; the state of the text-to-semantic model is as it was."""
    whole = dict(state)
    if _SCALES in whole:
        whole[_PROJECTION] = torch.diag_embed(whole.pop(_SCALES)).permute(1, 2, 0).contiguous()
        whole[_CODEBOOK + "embed_avg"] = whole[_CODEBOOK + "embed"] * whole[_CODEBOOK + "cluster_size"][:, None]
    return whole


def _halves(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    halves = {}
    for name, value in state.items():
        half = value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
        if not torch.isfinite(half).all():
            raise CheckpointError(f"the base was not written: the weight {name} is not finite in half precision")
        halves[name] = half.contiguous().clone()
    return halves


def _checksums(folder: Path) -> dict[str, str]:
    lines = (folder / CHECKSUMS_FILE).read_text(encoding="ascii").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
