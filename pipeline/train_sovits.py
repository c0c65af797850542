"""train_sovits: text and audio features → models/<character>-<version>_e<epoch>_s<step>.pth (compact)."""

from __future__ import annotations

from collections.abc import Sequence

from GPT_SoVITS.checkpoints import write_sovits_weights
from GPT_SoVITS.dataset import TEXT_FILE, read_text_lines
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.acoustic_trainer import AcousticTrainee
from GPT_SoVITS.training.direct_data import acoustic_items, ensure_alignment
from GPT_SoVITS.training.direct_trainer import keep_out
from GPT_SoVITS.training.parallel import Group
from GPT_SoVITS.training.recipe import sovits_recipe, sovits_schedule
from GPT_SoVITS.training.sovits_data import SovitsItem, complete_clips, load_sovits_items
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee
from GPT_SoVITS.training.start import start_discriminator, start_sovits
from pipeline.context import StepContext
from pipeline.steps import TRAINING_LOGS, StepName
from pipeline.training import Ground, clips_of, facts, ground, in_processes, leave_out, publish, train, version_of


def run(context: StepContext) -> None:
    """Train the semantic-to-waveform model from its last checkpoint, or from the start, on all GPUs."""
    in_processes(context, make)


def make(context: StepContext, group: Group) -> None:
    """Train as one process of a group; its first one puts the finished weights into place.

    Raises:
        TrainingDataError: too few clips can be used.
        TrainingDivergedError: the loss stopped being a number.
    """
    config = context.inputs.config
    at = ground(context, TRAINING_LOGS[StepName.TRAIN_SOVITS], group)
    recipe = sovits_recipe(at.family)
    names = clips_of(at.item, StepName.EXTRACT_AUDIO_FEATURES)
    texts = read_text_lines(context.experiment / TEXT_FILE)
    items, left_out = load_sovits_items(context.experiment, names, texts, at.family, recipe)
    leave_out(context, left_out)
    model = start_sovits(at.family, config.seed, config.models_dir)
    trainee: SovitsTrainee | AcousticTrainee
    if at.family.sovits.is_direct:
        trainee = direct_trainee(model, items, at, config.epochs_s2)
    else:
        critic = start_discriminator(at.family, config.seed, config.models_dir)
        found = len(complete_clips(context.experiment, names, texts, at.family))
        setup = SovitsSetup(at.family, recipe, at.compute, config.batch_size, group, found)
        trainee = SovitsTrainee(model, critic, items, setup)
    outcome = train(context, at, trainee, config.epochs_s2)
    if isinstance(trainee, AcousticTrainee):
        trainee.finish(outcome.epochs)
    if not group.leads:
        return
    name = f"{context.character}-{version_of(at)}_e{outcome.epochs}_s{outcome.steps}.pth"
    with context.folder() as scratch:
        target = scratch / name
        write_sovits_weights(target, model.state_dict(), at.family, f"{outcome.epochs}epoch_{outcome.steps}iteration")
        publish(context, at, target, facts(at, outcome, items))


def direct_trainee(model: SovitsModel, items: Sequence[SovitsItem], at: Ground, epochs: int) -> AcousticTrainee:
    """Return the trainee of a direct family: frame by frame, judged on clips that are kept out."""
    model.ssl_proj.requires_grad_(False)  # the codes must stay what the text-to-semantic model knows
    measured = acoustic_items(items, model)
    ensure_alignment(model.aligner, measured)
    learning, kept_out = keep_out(measured)
    return AcousticTrainee(model, learning, kept_out, sovits_schedule(epochs), at.compute)
