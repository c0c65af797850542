"""extract_semantic_features: the 25 Hz codes of each clip, by the quantiser that training starts from."""

from __future__ import annotations

from GPT_SoVITS.dataset import (
    CONTENT_FOLDER,
    SEMANTIC_FILE,
    SEMANTIC_HEADER,
    SemanticLine,
    format_semantic_line,
    load_features,
    write_lines,
)
from GPT_SoVITS.errors import TrainingDataError
from GPT_SoVITS.families import family
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.start import start_sovits
from pipeline.context import StepContext
from pipeline.listing import part_path, publish_list
from pipeline.plan import Item
from pipeline.shards import encoder_device, in_shards, stale_clips

FOLDER = "6-name2semantic"


def run(context: StepContext) -> None:
    """Make the codes of every stale clip, then 6-name2semantic.tsv."""
    in_shards(context, make)
    publish_list(context, SEMANTIC_FILE, FOLDER, [SEMANTIC_HEADER])


def make(context: StepContext) -> None:
    """Make the stale clips in this process."""
    clips = stale_clips(context)
    config = context.inputs.config
    model = start_sovits(family(config.family), config.seed, config.models_dir).eval().to(encoder_device(config))
    for done, item in enumerate(clips):
        context.progress(done, len(clips), item.name)
        try:
            _make(context, item, model)
        except TrainingDataError as error:
            context.drop(item, str(error))
    context.progress(len(clips), len(clips))


def _make(context: StepContext, item: Item, model: SovitsModel) -> None:
    features = load_features(context.experiment / CONTENT_FOLDER / f"{item.name}.pt", model.config.ssl_channels)
    codes = tuple(model.extract_codes(features.to(model.ssl_proj.weight.device)).flatten().tolist())
    if not codes:
        raise TrainingDataError("the clip is too short for a single code")
    relative = context.experiment.relative_to(context.root)
    with context.folder() as scratch:
        part = scratch / "part.txt"
        write_lines(part, [format_semantic_line(SemanticLine(item.name, codes))])
        files = {f"{relative}/{part_path(FOLDER, item.name)}": part}
        context.publish(item, files, {"codes": len(codes), "distinct": len(set(codes))})
