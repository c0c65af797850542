"""HuBERT (Hsu et al. 2021) as content encoder: what is said, 768 numbers every 20 ms."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from GPT_SoVITS.encoder_folder import install_weights, read_settings, read_weights, without_prefix, without_values
from GPT_SoVITS.errors import AudioError

SHORTEST_SAMPLES = 400
"""One frame: 25 ms at 16 kHz."""

_RENAMED = {
    ".conv.weight_g": ".conv.parametrizations.weight.original0",
    ".conv.weight_v": ".conv.parametrizations.weight.original1",
}
_SETTINGS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "feat_extract_norm",
    "feat_extract_activation",
    "feat_proj_layer_norm",
    "conv_dim",
    "conv_kernel",
    "conv_stride",
    "conv_bias",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "do_stable_layer_norm",
)


class HubertEncoder:
    """A loaded HuBERT; always in float32, so that no clip has to be repeated for values out of half's range."""

    def __init__(self, settings: Mapping[str, Any], weights: Mapping[str, Tensor], source: Path) -> None:
        """Build the network.

        Args:
            settings: sizes by their names in config.json.
            weights: tensors by their public names; weight norm may be stored under its classic or present names.
            source: named in errors.

        Raises:
            CheckpointError: settings or weights do not fit.
        """
        self._model = _network(settings, source)
        self._model.eval()
        install_weights(self._model, {_present_name(name): tensor for name, tensor in weights.items()}, source)
        # Weight norm is over the last dimension here; its product is computed once.
        nn.utils.parametrize.remove_parametrizations(self._model.encoder.pos_conv_embed.conv, "weight")
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> HubertEncoder:
        """Move the network and return the encoder."""
        self._model.to(device)
        self.device = device
        return self

    @property
    def channels(self) -> int:
        """Width of the features."""
        return int(self._model.config.hidden_size)

    def __call__(self, samples_16k: NDArray[np.float32]) -> Tensor:
        """Return the last hidden state, float32 [1, channels, (samples - 400) // 320 + 1], on the CPU.

        The wave goes in as it is: no normalisation, no mask.

        Args:
            samples_16k: float32 [samples] at 16 kHz.

        Raises:
            AudioError: it is shorter than one frame.
        """
        if len(samples_16k) < SHORTEST_SAMPLES:
            raise AudioError(
                f"the clip is too short to be heard: {len(samples_16k) / 16:.0f} ms, at least 25 are needed"
            )
        wave = torch.from_numpy(np.ascontiguousarray(samples_16k, dtype=np.float32)).to(self.device)
        with torch.no_grad():
            hidden: Tensor = self._model(wave.unsqueeze(0)).last_hidden_state
        return hidden.mT.contiguous().cpu()


def _network(settings: Mapping[str, Any], source: Path) -> Any:
    from transformers import HubertConfig, HubertModel

    return without_values(lambda: HubertModel(HubertConfig(**settings)), source)


def _present_name(name: str) -> str:
    """Return the name that torch has today for a weight under classic weight norm (`weight_g`, `weight_v`)."""
    for classic, present in _RENAMED.items():
        if name.endswith(classic):
            return name.removesuffix(classic) + present
    return name


@lru_cache(maxsize=4)
def load_hubert(folder: Path, device: str = "cpu") -> HubertEncoder:
    """Return the encoder in a folder, loaded once a process and device.

    Raises:
        CheckpointError: the folder is damaged or holds another kind of model.
    """
    weights = without_prefix(read_weights(folder), "hubert.")
    return HubertEncoder(read_settings(folder, _SETTINGS), weights, folder).to(torch.device(device))
