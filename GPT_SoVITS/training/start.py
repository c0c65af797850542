"""Models at the start of a training. Until a pretrained `nano` base exists, they start from random weights."""

from __future__ import annotations

import torch

from GPT_SoVITS.content import require_supported
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.codebook import install_codebook, whisper_codebook


def start_sovits(family: Family, seed: int, models_dir: str = "") -> SovitsModel:
    """Return the generator as training begins with it; the content codebook does not depend on the seed.

    Raises:
        ModelMissingError: the family's base weights are not supported by this version.
    """
    require_supported(family, models_dir)
    torch.manual_seed(seed)
    model = SovitsModel(family.sovits, family.audio)
    install_codebook(model, whisper_codebook())
    return model


def start_discriminator(family: Family, seed: int) -> SovitsDiscriminator:
    """Return the discriminators as training begins with them."""
    torch.manual_seed(seed + 1)
    return SovitsDiscriminator(family.sovits)


def start_gpt(family: Family, seed: int, models_dir: str = "") -> TextToSemantic:
    """Return the text-to-semantic model as training begins with it.

    Raises:
        ModelMissingError: the family's base weights are not supported by this version.
    """
    require_supported(family, models_dir)
    torch.manual_seed(seed)
    return TextToSemantic(family.gpt)
