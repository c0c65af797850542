"""train_gpt: text features and semantic codes → models/<character>-<version>-e<epoch>.ckpt (compact)."""

from __future__ import annotations

from collections.abc import Sequence

from GPT_SoVITS.checkpoints import write_gpt_weights
from GPT_SoVITS.dataset import SEMANTIC_FILE, TEXT_FILE, read_semantic_lines, read_text_lines
from GPT_SoVITS.speech_guard import learned_bounds
from GPT_SoVITS.training.direct_data import ensure_alignment
from GPT_SoVITS.training.direct_trainer import keep_out
from GPT_SoVITS.training.gpt_data import GptItem, load_gpt_items
from GPT_SoVITS.training.gpt_trainer import GptSetup, GptTrainee
from GPT_SoVITS.training.parallel import Group
from GPT_SoVITS.training.pointed_trainer import PointedTrainee
from GPT_SoVITS.training.recipe import gpt_recipe, gpt_schedule
from GPT_SoVITS.training.start import start_gpt
from pipeline.context import StepContext
from pipeline.first_impression import first_impression
from pipeline.steps import TRAINING_LOGS, StepName
from pipeline.training import clips_of, facts, ground, in_processes, leave_out, publish, train, version_of


def run(context: StepContext) -> None:
    """Train the text-to-semantic model from its last checkpoint, or from the start, on all GPUs of the character."""
    in_processes(context, make)


def make(context: StepContext, group: Group) -> None:
    """Train as one process of a group; its first one puts the finished weights into place.

    Raises:
        TrainingDataError: too few clips can be used.
        TrainingDivergedError: the loss stopped being a number.
    """
    config = context.inputs.config
    at = ground(context, TRAINING_LOGS[StepName.TRAIN_GPT], group)
    recipe = gpt_recipe(at.family, preference=config.dpo)
    wanted = set(clips_of(at.item, StepName.EXTRACT_SEMANTIC_FEATURES))
    codes = read_semantic_lines(context.experiment / SEMANTIC_FILE)
    lines = [line for name, line in codes.items() if name in wanted]
    texts = read_text_lines(context.experiment / TEXT_FILE)
    items, left_out = load_gpt_items(context.experiment, texts, lines, at.family, recipe)
    leave_out(context, left_out)
    model = start_gpt(at.family, config.seed, config.models_dir)
    trainee: GptTrainee | PointedTrainee
    if at.family.gpt.is_aligned:
        ensure_alignment(model.pointer.aligner, items)
        learning, kept_out = keep_out(items)
        trainee = PointedTrainee(model, learning, kept_out, gpt_schedule(config.epochs_s1), at.compute)
    else:
        trainee = GptTrainee(model, items, GptSetup(at.family, recipe, at.compute, config.batch_size, group))
    outcome = train(context, at, trainee, config.epochs_s1)
    if isinstance(trainee, PointedTrainee):
        trainee.finish(outcome.epochs)
    if not group.leads:
        return
    name = f"{context.character}-{version_of(at)}-e{outcome.epochs}.ckpt"
    with context.folder() as scratch:
        target = scratch / name
        write_gpt_weights(target, model.state_dict(), at.family, f"GPT-e{outcome.epochs}")
        judged = first_impression(context, target, [item.name for item in items], at.trained_from)
        told = facts(at, outcome, items)
        told["metrics"]["codes_per_phone"] = _codes_per_phone(items)
        publish(context, at, target, {**told, "evaluation": judged})


def _codes_per_phone(items: Sequence[GptItem]) -> list[float]:
    """Return the least and the most codes a phone that speech of this voice takes: what synthesis is judged by."""
    bounds = learned_bounds([len(item.codes) / len(item.phones) for item in items])
    return [round(bounds.least, 3), round(bounds.most, 3)]
