"""Models at the start of a training: from the base of their family, or from random weights without one."""

from __future__ import annotations

import torch

from GPT_SoVITS.base_files import nano_base, require_base_files
from GPT_SoVITS.checkpoints import load_weights, read_discriminator_weights, read_gpt_weights, read_sovits_weights
from GPT_SoVITS.families import RANDOM_WEIGHTS, Family, FamilyName
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.nano_base import GPT_FILE, SOVITS_FILE, base_version, load_nano_base
from GPT_SoVITS.training.codebook import install_codebook, whisper_codebook


def base_name(family: Family, models_dir: str = "") -> str:
    """Return what a training of this family starts from, as `trained_from` tells it.

    Raises:
        ModelMissingError: the family's base weights are not there.
    """
    if family.name is FamilyName.NANO:
        folder = nano_base(models_dir)
        return RANDOM_WEIGHTS if folder is None else base_version(folder)
    return require_base_files(family, models_dir).generator.name


def start_sovits(family: Family, seed: int, models_dir: str = "") -> SovitsModel:
    """Return the generator as training begins with it; what the base lacks, such as `enc_q`, is drawn from the seed.

    Raises:
        ModelMissingError: the family's base weights are not there.
        CheckpointError: they cannot be used.
    """
    torch.manual_seed(seed)
    model = SovitsModel(family.sovits, family.audio)
    if family.name is FamilyName.NANO:
        folder = nano_base(models_dir)
        if folder is None:
            install_codebook(model, whisper_codebook())
        else:
            load_nano_base(model, folder, SOVITS_FILE)
    else:
        path = require_base_files(family, models_dir).generator
        load_weights(model, read_sovits_weights(path, training_state=True).state_dict, path, may_lack="")
    return model


def start_discriminator(family: Family, seed: int, models_dir: str = "") -> SovitsDiscriminator:
    """Return the discriminators as training begins with them.

    Raises:
        ModelMissingError: the family's base weights are not there.
        CheckpointError: they cannot be used.
    """
    torch.manual_seed(seed + 1)
    model = SovitsDiscriminator(family.sovits)
    if family.name is not FamilyName.NANO:
        path = require_base_files(family, models_dir).discriminator
        load_weights(model, read_discriminator_weights(path), path, may_lack="")
    return model


def start_gpt(family: Family, seed: int, models_dir: str = "") -> TextToSemantic:
    """Return the text-to-semantic model as training begins with it.

    Raises:
        ModelMissingError: the family's base weights are not there.
        CheckpointError: they cannot be used.
    """
    torch.manual_seed(seed)
    model = TextToSemantic(family.gpt)
    if family.name is FamilyName.NANO:
        if folder := nano_base(models_dir):
            load_nano_base(model, folder, GPT_FILE)
    else:
        path = require_base_files(family, models_dir).gpt
        load_weights(model, read_gpt_weights(path, training_state=True).state_dict, path)
    return model
