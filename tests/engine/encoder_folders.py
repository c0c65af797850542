"""Small HuBERT and RoBERTa folders as transformers saves them, and families of their sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from GPT_SoVITS.families import Family, family

HUBERT_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
ROBERTA_SIZES: dict[str, Any] = {
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 40,
    "max_position_embeddings": 16,
}
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"我们去公园吧今天气很好，。！？…,.?!-a")


def small_family(name: str = "v2ProPlus") -> Family:
    """Return a public family whose encoders have the small sizes."""
    known = family(name)
    sizes = replace(known.sovits, ssl_channels=HUBERT_SIZES["hidden_size"])
    return replace(known, sovits=sizes, gpt=replace(known.gpt, bert_channels=ROBERTA_SIZES["hidden_size"]))


def hubert_weights(seed: int = 1) -> dict[str, Tensor]:
    """Return random weights of the small HuBERT under their public (classic weight norm) names."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(seed)
    state = HubertModel(HubertConfig(**HUBERT_SIZES)).state_dict()
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for name, tensor in state.items():
        for ours, theirs in old.items():
            name = name.replace(ours, theirs)
        renamed[name] = tensor.clone()
    return renamed


def roberta_weights(seed: int = 1) -> dict[str, Tensor]:
    """Return random weights of the small RoBERTa under the names of the public file, which has a head on top."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    state = BertModel(BertConfig(**ROBERTA_SIZES)).state_dict()
    named = {f"bert.{name}": tensor.clone() for name, tensor in state.items()}
    return {**named, "cls.predictions.bias": torch.zeros(ROBERTA_SIZES["vocab_size"])}


def write_folder(folder: Path, settings: Mapping[str, Any], weights: Mapping[str, Tensor], *, pickled: bool) -> Path:
    """Write config.json and the weights, as pytorch_model.bin or model.safetensors."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**settings, "architectures": ["Any"]}), encoding="utf-8")
    if pickled:
        torch.save(dict(weights), folder / "pytorch_model.bin")
    else:
        save_file(dict(weights), folder / "model.safetensors")
    return folder


def write_vocabulary(folder: Path, tokens: Sequence[str] = VOCABULARY) -> None:
    """Write vocab.txt."""
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def write_encoders(models_dir: Path, *, pickled: bool = False) -> Path:
    """Write both small encoders where a models folder has them."""
    write_folder(models_dir / "chinese-hubert-base", HUBERT_SIZES, hubert_weights(), pickled=pickled)
    roberta = models_dir / "chinese-roberta-wwm-ext-large"
    write_folder(roberta, ROBERTA_SIZES, roberta_weights(), pickled=pickled)
    write_vocabulary(roberta)
    return models_dir
