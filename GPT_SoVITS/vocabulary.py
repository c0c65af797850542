"""The tokens of a BERT model and their ids, as transformers saves them in its folder. Loads nothing heavy."""

from __future__ import annotations

import json
from pathlib import Path

from GPT_SoVITS.errors import CheckpointError

VOCABULARY_FILE = "vocab.txt"
TOKENIZER_FILE = "tokenizer.json"
UNKNOWN_TOKEN, FIRST_TOKEN, LAST_TOKEN = SPECIAL_TOKENS = ("[UNK]", "[CLS]", "[SEP]")


def read_vocabulary(folder: Path) -> dict[str, int]:
    """Return the ids of the tokens from vocab.txt (one token a line) or tokenizer.json.

    Raises:
        CheckpointError: neither is there, or it is damaged.
    """
    plain, packed = folder / VOCABULARY_FILE, folder / TOKENIZER_FILE
    try:
        if plain.exists():
            lines = plain.read_text(encoding="utf-8").rstrip("\n").split("\n")
            return {token.rstrip("\r"): number for number, token in enumerate(lines)}
        vocabulary = json.loads(packed.read_text(encoding="utf-8"))["model"]["vocab"]
    except OSError as error:
        raise CheckpointError(
            f"{folder} holds neither {VOCABULARY_FILE} nor {TOKENIZER_FILE}; copy it again"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the vocabulary in {folder} is damaged; copy the folder again") from error
    if not isinstance(vocabulary, dict) or not all(isinstance(number, int) for number in vocabulary.values()):
        raise CheckpointError(f"the vocabulary in {folder} is damaged; copy the folder again")
    return vocabulary


def token_id(character: str, vocabulary: dict[str, int]) -> int:
    """Return the id of the token that is one character, in its lower case if only that is known, else of unknown."""
    found = vocabulary.get(character)
    return found if found is not None else vocabulary.get(character.lower(), vocabulary[UNKNOWN_TOKEN])
