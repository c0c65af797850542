"""Reading a base file to its last weight and saying whether it is what its name says; nothing in it is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from GPT_SoVITS.base_files import Part
from GPT_SoVITS.checkpoints import (
    POSTERIOR_PREFIX,
    read_discriminator_weights,
    read_gpt_weights,
    read_sovits_weights,
)
from GPT_SoVITS.encoder_folder import read_weights, without_prefix
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName
from GPT_SoVITS.hubert import HubertEncoder
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.roberta import TextEncoder
from GPT_SoVITS.speaker import load_speaker_encoder
from GPT_SoVITS.text.mandarin.polyphone_model import check_polyphone_file
from GPT_SoVITS.vocabulary import SPECIAL_TOKENS, TOKENIZER_FILE, VOCABULARY_FILE, read_vocabulary

_LARGEST_TEXT_BYTES = 64 * 2**20
_CONFIGS = {
    Part.HUBERT: {"hidden_size": 768, "num_hidden_layers": 12},
    Part.ROBERTA: {"hidden_size": 1024, "num_hidden_layers": 24},
}
_BERT_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 21128,
}


def check_base_file(path: Path, part: Part, name: FamilyName) -> str:
    """Read a file as the part of a family's base that it should be, and return in a few words what it is.

    Raises:
        CheckpointError: it is damaged, hostile, or something else.
    """
    family = FAMILIES[name]
    match part:
        case Part.GENERATOR:
            return _generator(path, family)
        case Part.DISCRIMINATOR:
            _same(read_discriminator_weights(path), SovitsDiscriminator(family.sovits), path)
            return f"discriminators of {family.name}"
        case Part.GPT:
            return _gpt(path, family)
        case Part.POLYPHONES if path.name != VOCABULARY_FILE:
            return check_polyphone_file(path)
        case _:
            return _encoder(path, part)


def _generator(path: Path, family: Family) -> str:
    state, found, _ = read_sovits_weights(path, training_state=True)
    if found.name is not family.name:
        raise CheckpointError(f"{path.name} is a generator of {found.name}, not of {family.name}")
    _same(state, SovitsModel(family.sovits, family.audio), path, may_lack=POSTERIOR_PREFIX)
    return f"generator of {family.name}"


def _gpt(path: Path, family: Family) -> str:
    state, config, _ = read_gpt_weights(path, training_state=True)
    if config.phoneme_vocab_size != family.gpt.phoneme_vocab_size:
        rows = config.phoneme_vocab_size
        raise CheckpointError(f"{path.name} knows {rows} phones, the family {family.name} has others")
    _same(state, TextToSemantic(family.gpt), path)
    return f"text-to-semantic model of {family.name}"


def _same(state: Mapping[str, Tensor], model: nn.Module, path: Path, may_lack: str | None = None) -> None:
    """Refuse weights unless names and shapes are exactly those of the model."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, shape in expected.items():
        found = state.get(name)
        if found is None and not (may_lack and name.startswith(may_lack)):
            raise CheckpointError(f"{path.name} lacks the weight {name}; it belongs to another kind of model")
        if found is not None and tuple(found.shape) != shape:
            raise CheckpointError(f"{path.name}: the weight {name} has shape {list(found.shape)}, not {list(shape)}")
    if unknown := [name for name in state if name not in expected]:
        raise CheckpointError(f"{path.name} holds the weight {unknown[0]}, which this kind of model has not")


def _encoder(path: Path, part: Part) -> str:
    """Build the encoder, or look at its settings; the folder that the file lies in has the names of a real one."""
    match path.suffix, part:
        case ".json", _:
            return _json(path, part)
        case ".txt", _:
            return _vocabulary(path)
        case _, Part.HUBERT:
            HubertEncoder({}, without_prefix(read_weights(path.parent), "hubert."), path)
        case _, Part.ROBERTA:
            tokens = dict.fromkeys(SPECIAL_TOKENS, 0)
            TextEncoder(_BERT_LARGE, without_prefix(read_weights(path.parent), "bert."), tokens, path)
        case _:
            load_speaker_encoder.__wrapped__(path)
    return f"weights of the {part} encoder"


def _json(path: Path, part: Part) -> str:
    if path.name == TOKENIZER_FILE:
        return _vocabulary(path)
    content = _text(path)
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} is not JSON; copy or download it again") from error
    if path.name == "config.json":
        for key, wanted in _CONFIGS[part].items():
            if not isinstance(values, dict) or values.get(key) != wanted:
                raise CheckpointError(f"{path.name} does not describe the {part} encoder: {key} is not {wanted}")
    return f"settings of the {part} encoder"


def _vocabulary(path: Path) -> str:
    lacking = [token for token in SPECIAL_TOKENS if token not in read_vocabulary(path.parent)]
    if lacking:
        raise CheckpointError(f"{path.name} is not the vocabulary of the text encoder: it lacks {lacking[0]}")
    return "vocabulary of the text encoder"


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TEXT_BYTES:
            raise CheckpointError(f"{path.name} is larger than any file of this kind; it was not read")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path.name} cannot be read as text") from error
