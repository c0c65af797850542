"""The Chinese RoBERTa (Cui et al. 2019, whole word masking) as text encoder: 1024 numbers for every phone.

One token stands for one character, so that rows and characters of the normalised text always agree.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from GPT_SoVITS.base_files import base_files, missing_model
from GPT_SoVITS.batching import encoded_together
from GPT_SoVITS.encoder_folder import install_weights, read_settings, read_weights, without_prefix, without_values
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import Family
from GPT_SoVITS.vocabulary import FIRST_TOKEN, LAST_TOKEN, SPECIAL_TOKENS, read_vocabulary, token_id

TOKENS_TOGETHER = 1024
"""Tokens of a batch with its padding."""
_NO_TOKEN = -1
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

    def encode(self, texts: Sequence[tuple[str, Sequence[int]]]) -> list[Tensor]:
        """Return the features of every phone of each text, float32 [channels, sum(word2ph)], on the CPU.

        Texts are read together under a mask; the features of one depend on the others by rounding only.

        Args:
            texts: normalised texts, each with the number of phones of every character; a character outside the
                vocabulary counts as unknown.

        Raises:
            ValueError: there is not one count for each character.
        """
        for norm_text, word2ph in texts:
            if len(word2ph) != len(norm_text):
                raise ValueError(f"{len(norm_text)} characters came with {len(word2ph)} phone counts: {norm_text!r}")
        rows = self._character_rows([norm_text for norm_text, _ in texts])
        counts = [torch.tensor(list(word2ph), dtype=torch.int64) for _, word2ph in texts]
        return [row.repeat_interleave(count, dim=0).T.contiguous() for row, count in zip(rows, counts, strict=True)]

    def hidden_state(self, input_ids: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the third hidden state from the end, [B, N, channels], of token ids int64 [B, N].

        Args:
            input_ids: token ids.
            valid: bool [B, N], False where a row is padded; left out: nowhere.
        """
        mask = None if valid is None else valid.to(self.device)
        with torch.no_grad():
            hidden: Tensor = self._model(input_ids=input_ids.to(self.device), attention_mask=mask).last_hidden_state
        return hidden.cpu()

    def _character_rows(self, texts: Sequence[str]) -> list[Tensor]:
        """Return [characters, channels] of each text; one that is longer than the model is read in equal windows."""
        windows = [self._windows(text) for text in texts]
        rows = iter(encoded_together([*itertools.chain(*windows)], TOKENS_TOGETHER, self._window_rows))
        return [torch.cat([torch.zeros(0, self.channels), *itertools.islice(rows, len(own))]) for own in windows]

    def _window_rows(self, windows: Sequence[Tensor]) -> list[Tensor]:
        """Return the rows of the characters of each window of token ids, without its first and last token."""
        ids = pad_sequence(list(windows), batch_first=True, padding_value=_NO_TOKEN)
        valid = ids != _NO_TOKEN
        states = self.hidden_state(ids.clamp(min=0), None if bool(valid.all()) else valid)
        return [state[1 : len(window) - 1] for state, window in zip(states, windows, strict=True)]

    def _windows(self, text: str) -> list[Tensor]:
        """Return the token ids of a text, a window each."""
        ids = [token_id(character, self._vocabulary) for character in text]
        count = -(-len(ids) // self._window)
        borders = [len(ids) * index // count for index in range(count + 1)] if count else []
        first, last = self._vocabulary[FIRST_TOKEN], self._vocabulary[LAST_TOKEN]
        return [torch.tensor([first, *ids[start:end], last]) for start, end in itertools.pairwise(borders)]


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
