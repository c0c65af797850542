"""The two networks of a voice, ready to speak: a trained voice's, or the base of a family."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from GPT_SoVITS.checkpoints import POSTERIOR_PREFIX, load_weights, read_gpt_weights, read_sovits_weights
from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.families import RANDOM_WEIGHTS, Family
from GPT_SoVITS.models.semantic_step import store_matrices_by_input
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.start import base_name, start_gpt, start_sovits


@dataclass(frozen=True, slots=True)
class VoiceNetworks:
    """Loaded networks on the CPU, and what a listener should know of them."""

    family: Family
    """With the sizes of the text-to-semantic model that was loaded."""
    sovits: SovitsModel
    gpt: TextToSemantic
    caveat: str = ""

    @property
    def bytes(self) -> int:
        """Memory of all parameters and buffers."""
        tensors = [tensor for model in (self.sovits, self.gpt) for tensor in (*model.parameters(), *model.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def prepare(self, device: torch.device) -> None:
        """Turn the networks into what speaks fastest and move them to a device; they cannot be trained any more."""
        self.sovits.remove_weight_norm()
        store_matrices_by_input(self.gpt)
        for model in (self.sovits, self.gpt):
            model.eval().requires_grad_(False).to(device)


def trained_networks(sovits_path: Path, gpt_path: Path) -> VoiceNetworks:
    """Read a trained voice.

    Raises:
        CheckpointError: a file is damaged or of another kind.
    """
    sovits_weights, gpt_weights = read_sovits_weights(sovits_path), read_gpt_weights(gpt_path)
    family = replace(sovits_weights.family, gpt=gpt_weights.config)
    sovits, gpt = SovitsModel(family.sovits, family.audio), TextToSemantic(family.gpt)
    load_weights(sovits, sovits_weights.state_dict, sovits_path, POSTERIOR_PREFIX)
    load_weights(gpt, gpt_weights.state_dict, gpt_path)
    return VoiceNetworks(family, sovits, gpt)


def base_networks(family: Family, models_dir: str = "") -> VoiceNetworks:
    """Return the base of a family, which imitates the reference without having been trained on its speaker.

    Raises:
        ModelMissingError: the base is not installed.
        CheckpointError: it cannot be used.
    """
    base = base_name(family, models_dir)
    if base == RANDOM_WEIGHTS:
        raise ModelMissingError(f"the family {family.name} has no base to speak with; train a voice first")
    caveat = f"spoken by the base model of {family.name}, which imitates the reference; no voice was trained for it"
    return VoiceNetworks(family, start_sovits(family, 0, models_dir), start_gpt(family, 0, models_dir), caveat)
