"""extract_text_features: the phones of each transcript, and for Chinese text the text encoder's features of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from GPT_SoVITS.dataset import TEXT_FEATURES_FOLDER, TEXT_FILE, TextLine, format_text_line, save_features, write_lines
from GPT_SoVITS.families import family
from GPT_SoVITS.roberta import text_encoder
from GPT_SoVITS.spoken_text import phone_features
from GPT_SoVITS.text.dictionary import EMPTY, Dictionary, dictionary_of
from GPT_SoVITS.text.frontend import Phones, phones_of
from GPT_SoVITS.text.languages import Language, language_of_list, mode_for_language
from GPT_SoVITS.text.mandarin.polyphone_model import PolyphoneModel, polyphone_model
from pipeline.context import StepContext
from pipeline.listing import part_path, publish_list
from pipeline.plan import Item
from pipeline.shards import encoder_device, in_shards, stored_dtype
from pipeline.steps import JobConfig
from pipeline.together import make_together

FOLDER = "2-name2text"
_PART = "part.txt"


def run(context: StepContext) -> None:
    """Make the phones of every stale clip, then 2-name2text.txt; what cannot be spoken is dropped with its reason."""
    in_shards(context, make)
    publish_list(context, TEXT_FILE, FOLDER)


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    config = context.inputs.config
    dictionary = dictionary_of(tuple(context.inputs.readings))
    polyphones = polyphone_model(config.models_dir)
    symbols = family(config.family).sovits.symbols
    relative = context.experiment.relative_to(context.root)

    def prepare(item: Item, folder: Path) -> list[Phones]:
        path = context.root / "transcripts" / "clips" / f"{item.name}.json"
        transcript = json.loads(path.read_text(encoding="utf-8"))
        pieces = pieces_of(transcript["text"], transcript["language"], symbols, dictionary, polyphones)
        write_lines(folder / _PART, [format_text_line(text_line(item.name, pieces))])
        return pieces

    def publish(item: Item, pieces: list[Phones], made: Tensor | None, folder: Path) -> None:
        files = {f"{relative}/{part_path(FOLDER, item.name)}": folder / _PART}
        if made is not None:
            features = folder / "bert.pt"
            save_features(features, made.to(stored_dtype(config, made)))
            files[f"{relative}/{TEXT_FEATURES_FOLDER}/{item.name}.pt"] = features
        context.publish(item, files, {"phones": sum(len(piece.phones) for piece in pieces)})

    make_together(context, prepare, lambda texts: _features(texts, config), publish)


def _features(texts: Sequence[Sequence[Phones]], config: JobConfig) -> list[Tensor | None]:
    """Return the features of all phones of each text with Chinese in it, if the family has a text encoder."""
    chinese = [any(piece.language == Language.ZH for piece in text) for text in texts]
    encoder = text_encoder(family(config.family), config.models_dir, encoder_device(config)) if any(chinese) else None
    if encoder is None:
        return [None] * len(texts)
    made = iter(phone_features(list(itertools.compress(texts, chinese)), encoder))
    return [next(made) if holds else None for holds in chinese]


def pieces_of(
    text: str,
    language: str,
    symbols: str,
    dictionary: Dictionary = EMPTY,
    polyphones: PolyphoneModel | None = None,
) -> list[Phones]:
    """Return the pieces of a transcript, each in one language, with their phones.

    Raises:
        TextError: the text cannot be spoken, or its language is unknown.
    """
    mode = mode_for_language(language_of_list(language))
    return phones_of(text, mode, symbols=symbols, dictionary=dictionary, polyphones=polyphones)


def text_line(name: str, pieces: Sequence[Phones]) -> TextLine:
    """Return the line of 2-name2text.txt for a transcript."""
    counted = all(piece.word2ph is not None for piece in pieces)
    return TextLine(
        name,
        tuple(phone for piece in pieces for phone in piece.phones),
        tuple(count for piece in pieces for count in piece.word2ph or ()) if counted else None,
        "".join(piece.norm_text for piece in pieces),
    )
