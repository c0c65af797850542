"""HuBERT (Hsu et al. 2021) as content encoder: what is said, 768 numbers every 20 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from GPT_SoVITS.audio import refuse_short
from GPT_SoVITS.batching import encoded_together
from GPT_SoVITS.encoder_folder import install_weights, read_settings, read_weights, without_prefix, without_values

RATE_HZ = 16_000
FRAMES_TOGETHER = 3000
"""Frames of a batch with its padding: a minute of sound."""

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

    def __call__(self, waves_16k: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Return the last hidden state of each clip, float32 [1, channels, (samples - 400) // 320 + 1], on the CPU.

        Waves go in as they are: no normalisation. The convolutions, whose first norm runs over a whole clip, take each
        alone; the transformer takes several under a mask. A clip's features depend on the others by rounding only.

        Args:
            waves_16k: float32 [samples] each, at 16 kHz.

        Raises:
            AudioError: one is shorter than one frame.
        """
        with torch.no_grad():
            heard = [self._convolved(wave) for wave in waves_16k]
            features = encoded_together(heard, FRAMES_TOGETHER, self._transformed)
        return [rows.T.unsqueeze(0).contiguous().cpu() for rows in features]

    def _convolved(self, samples_16k: NDArray[np.float32]) -> Tensor:
        """Samples → rows [frames, convolution channels]"""
        refuse_short(samples_16k, RATE_HZ)
        wave = torch.from_numpy(np.ascontiguousarray(samples_16k, dtype=np.float32)).to(self.device)
        rows: Tensor = self._model.feature_extractor(wave.unsqueeze(0))[0].T
        return rows

    def _transformed(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """Rows of each clip [frames, convolution channels] → rows [frames, channels]"""
        lengths = torch.tensor([len(rows) for rows in clips], device=self.device)
        padded = nn.utils.rnn.pad_sequence(list(clips), batch_first=True)
        valid = torch.arange(padded.shape[1], device=self.device) < lengths[:, None]
        rows = self._model.encoder(
            self._model.feature_projection(padded), attention_mask=None if bool(valid.all()) else valid
        ).last_hidden_state
        return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


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
