"""extract_text_features: the phones of each transcript."""

from __future__ import annotations

import json

from GPT_SoVITS.dataset import TEXT_FILE, TextLine, format_text_line, write_lines
from GPT_SoVITS.errors import TextError, TrainingDataError
from GPT_SoVITS.families import family
from GPT_SoVITS.text.dictionary import EMPTY, Dictionary, dictionary_of
from GPT_SoVITS.text.languages import language_of_list, mode_for_language
from pipeline.context import StepContext
from pipeline.listing import part_path, publish_list
from pipeline.plan import Item
from pipeline.steps import LIST_ITEM

FOLDER = "2-name2text"


def run(context: StepContext) -> None:
    """Make the phones of every stale clip, then 2-name2text.txt; what cannot be spoken is dropped with its reason."""
    clips = [item for item in context.plan.stale if item.name != LIST_ITEM]
    for done, item in enumerate(clips):
        context.progress(done, len(clips), item.name)
        try:
            _make(context, item)
        except (TextError, TrainingDataError) as error:
            context.drop(item, str(error))
    context.progress(len(clips), len(clips))
    publish_list(context, TEXT_FILE, FOLDER)


def _make(context: StepContext, item: Item) -> None:
    path = context.root / "transcripts" / "clips" / f"{item.name}.json"
    transcript = json.loads(path.read_text(encoding="utf-8"))
    symbols = family(context.inputs.config.family).sovits.symbols
    dictionary = dictionary_of(tuple(context.inputs.readings))
    line = text_line(item.name, transcript["text"], transcript["language"], symbols, dictionary)
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        part = scratch / "part.txt"
        write_lines(part, [format_text_line(line)])
        files = {f"{relative}/{part_path(FOLDER, item.name)}": part}
        context.publish(item, files, {"phones": len(line.phones)})


def text_line(name: str, text: str, language: str, symbols: str, dictionary: Dictionary = EMPTY) -> TextLine:
    """Return the line of 2-name2text.txt for a transcript.

    Raises:
        TextError: the text cannot be spoken, or its language is unknown.
    """
    from GPT_SoVITS.text.frontend import phones_of

    segments = phones_of(text, mode_for_language(language_of_list(language)), symbols=symbols, dictionary=dictionary)
    counted = all(segment.word2ph is not None for segment in segments)
    return TextLine(
        name,
        tuple(phone for segment in segments for phone in segment.phones),
        tuple(count for segment in segments for count in segment.word2ph or ()) if counted else None,
        "".join(segment.norm_text for segment in segments),
    )
