"""The Chinese RoBERTa (Cui et al. 2019, whole word masking) as text encoder: 1024 numbers for every phone.

One token stands for one character, so that rows and characters of the normalised text always agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from GPT_SoVITS.base_files import base_files, missing_model
from GPT_SoVITS.encoder_folder import install_weights, read_settings, read_weights, without_prefix, without_values
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import Family
from GPT_SoVITS.vocabulary import FIRST_TOKEN, LAST_TOKEN, SPECIAL_TOKENS, read_vocabulary, token_id

LAYERS_LEFT_OUT = 2
"""The features are the third hidden state from the end: the last two layers never run."""
_SETTINGS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)


class TextEncoder:
    """A loaded RoBERTa with its vocabulary; always in float32."""

    def __init__(
        self, settings: Mapping[str, Any], weights: Mapping[str, Tensor], vocabulary: dict[str, int], source: Path
    ) -> None:
        """Build the network.

        Args:
            settings: sizes by their names in config.json.
            weights: tensors by their public names, without the prefix `bert.`.
            vocabulary: ids of the tokens.
            source: named in errors.

        Raises:
            CheckpointError: settings, weights or vocabulary do not fit.
        """
        self._model = _network(settings, source)
        config = self._model.config
        if config.num_hidden_layers <= LAYERS_LEFT_OUT:
            raise CheckpointError(f"the text encoder in {source} has only {config.num_hidden_layers} layers")
        if lacking := [token for token in SPECIAL_TOKENS if token not in vocabulary]:
            raise CheckpointError(f"the vocabulary in {source} lacks {', '.join(lacking)}; copy the folder again")
        if max(vocabulary.values()) >= config.vocab_size or min(vocabulary.values()) < 0:
            raise CheckpointError(f"the vocabulary in {source} is larger than the model's; copy the folder again")
        install_weights(self._model, weights, source)
        self._model.encoder.layer = self._model.encoder.layer[:-LAYERS_LEFT_OUT]
        self._model.eval()
        self._vocabulary = vocabulary
        self._window = int(config.max_position_embeddings) - 2
        self._positions = torch.arange(self._window + 2).unsqueeze(0)
        # Buffers that are not part of a state dict have no values after building on the meta device.
        self._model.embeddings.position_ids = self._positions
        self._model.embeddings.token_type_ids = torch.zeros_like(self._positions)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> TextEncoder:
        """Move the network and return the encoder."""
        self._model.to(device)
        self.device = device
        return self

    @property
    def channels(self) -> int:
        """Width of the features."""
        return int(self._model.config.hidden_size)

    def encode(self, norm_text: str, word2ph: Sequence[int]) -> Tensor:
        """Return the features of every phone, float32 [channels, sum(word2ph)], on the CPU.

        Args:
            norm_text: normalised text; a character outside the vocabulary counts as unknown.
            word2ph: number of phones of each character.

        Raises:
            ValueError: there is not one count for each character.
        """
        if len(word2ph) != len(norm_text):
            raise ValueError(f"{len(norm_text)} characters came with {len(word2ph)} phone counts: {norm_text!r}")
        if not norm_text:
            return torch.zeros(self.channels, 0)
        rows = self._character_rows([token_id(character, self._vocabulary) for character in norm_text])
        return rows.repeat_interleave(torch.tensor(list(word2ph)), dim=0).T.contiguous()

    def hidden_state(self, input_ids: Tensor) -> Tensor:
        """Return the third hidden state from the end, [B, N, channels], of token ids int64 [B, N]."""
        with torch.no_grad():
            hidden: Tensor = self._model(input_ids=input_ids.to(self.device)).last_hidden_state
        return hidden.cpu()

    def _character_rows(self, ids: Sequence[int]) -> Tensor:
        """Return [len(ids), channels]; a text longer than the model has positions is encoded in equal windows."""
        windows = -(-len(ids) // self._window)
        borders = [len(ids) * index // windows for index in range(windows + 1)]
        first, last = self._vocabulary[FIRST_TOKEN], self._vocabulary[LAST_TOKEN]
        parts = []
        for start, end in zip(borders, borders[1:], strict=False):
            tokens = torch.tensor([[first, *ids[start:end], last]], dtype=torch.int64)
            parts.append(self.hidden_state(tokens)[0, 1:-1])
        return torch.cat(parts)


def _network(settings: Mapping[str, Any], source: Path) -> Any:
    from transformers import BertConfig, BertModel

    return without_values(lambda: BertModel(BertConfig(**settings), add_pooling_layer=False), source)


def text_encoder(family: Family, models_dir: str = "", device: str = "cpu") -> TextEncoder | None:
    """Return the text encoder of a family, or None where it has none; loaded once a process and device.

    Raises:
        ModelMissingError: its folder is not there.
        CheckpointError: the folder is damaged or holds another kind of model.
    """
    if family.text_encoder is None:
        return None
    folder = base_files(family, models_dir).roberta
    if not folder.is_dir():
        raise missing_model(family, [folder], models_dir)
    encoder = load_roberta(folder.absolute(), device)
    if encoder.channels != family.gpt.bert_channels:
        raise CheckpointError(f"{folder} gives {encoder.channels} features, {family.gpt.bert_channels} are needed")
    return encoder


@lru_cache(maxsize=4)
def load_roberta(folder: Path, device: str = "cpu") -> TextEncoder:
    """Return the encoder in a folder, loaded once a process and device.

    Raises:
        CheckpointError: the folder is damaged or holds another kind of model.
    """
    vocabulary = read_vocabulary(folder)
    weights = without_prefix(read_weights(folder), "bert.")
    return TextEncoder(read_settings(folder, _SETTINGS), weights, vocabulary, folder).to(torch.device(device))
