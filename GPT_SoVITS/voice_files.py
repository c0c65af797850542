"""The two files of a trained voice as they come from and go to other programs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from GPT_SoVITS.checkpoints import (
    POSTERIOR_PREFIX,
    GptWeights,
    SovitsWeights,
    TrainingProgress,
    load_weights,
    read_gpt_weights,
    read_sovits_weights,
    write_gpt_weights,
    write_sovits_weights,
    write_training_state,
)
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.recipe import sovits_recipe

STATE_NUMBER = 233333333333
"""The number that public trainers give the state of a training of which they keep only the latest."""


@dataclass(frozen=True, slots=True)
class VoiceFacts:
    """What a pair of weight files is."""

    family: str
    info: tuple[str, str]
    """What the files say of their training, generator first."""


def check_voice(sovits_path: Path, gpt_path: Path, output: Path) -> VoiceFacts:
    """Read both files to the last weight, see that they belong together, and write them as finished weights.

    Training states (`G_<n>.pth`, Lightning `.ckpt`) are accepted, too.

    Args:
        sovits_path: the semantic-to-waveform file.
        gpt_path: the text-to-semantic file.
        output: folder that gets `sovits.pth` and `gpt.ckpt` in the public compact layout.

    Raises:
        CheckpointError: a file is damaged, hostile or of another kind, or the two do not belong together.
    """
    sovits = read_sovits_weights(sovits_path, training_state=True)
    gpt = read_gpt_weights(gpt_path, training_state=True)
    _check_pair(sovits, gpt, sovits_path, gpt_path)
    model = SovitsModel(sovits.family.sovits, sovits.family.audio)
    load_weights(model, sovits.state_dict, sovits_path, POSTERIOR_PREFIX)
    load_weights(TextToSemantic(gpt.config), gpt.state_dict, gpt_path)
    family = replace(sovits.family, gpt=gpt.config)
    known = set(model.state_dict())
    kept = {name: tensor for name, tensor in sovits.state_dict.items() if name in known}
    write_sovits_weights(output / "sovits.pth", kept, family, sovits.info)
    write_gpt_weights(output / "gpt.ckpt", gpt.state_dict, family, gpt.info)
    return VoiceFacts(str(family.name), (sovits.info, gpt.info))


def _check_pair(sovits: SovitsWeights, gpt: GptWeights, sovits_path: Path, gpt_path: Path) -> None:
    """Refuse two files of which the one does not speak the phones or codes of the other."""
    family = sovits.family
    differences = {
        "phones": (gpt.config.phoneme_vocab_size, FAMILIES[family.name].gpt.phoneme_vocab_size),
        "codes": (gpt.config.vocab_size - 1, family.sovits.codebook_size),
        "channels of text features": (gpt.config.bert_channels, FAMILIES[family.name].gpt.bert_channels),
    }
    for what, (found, wanted) in differences.items():
        if found != wanted:
            raise CheckpointError(
                f"{gpt_path.name} and {sovits_path.name} do not belong together: the one has {found} {what}, "
                f"the other, of the family {family.name}, {wanted}"
            )


def export_training_states(snapshots: Path, output: Path, name: FamilyName) -> list[Path]:
    """Write the newest resumable state of a SoVITS training as public trainers resume from: `G_<n>.pth`, `D_<n>.pth`.

    Args:
        snapshots: folder of our own states (`training.snapshot`), newest by name.
        output: folder that gets the two files.
        name: the family, which must be a public one.

    Returns:
        The files written; none without a state.

    Raises:
        CheckpointError: the state cannot be read.
    """
    newest = max(snapshots.glob("state_*.pt"), default=None)
    if newest is None:
        return []
    try:
        content: dict[str, Any] = torch.load(newest, map_location="cpu", weights_only=True)
        trainee, epoch = content["trainee"], int(content["epoch"])
        parts = {"G": ("model", "model_optimizer"), "D": ("critic", "critic_optimizer")}
        states = {letter: (trainee[model], trainee[optimizer]) for letter, (model, optimizer) in parts.items()}
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"the training state {newest.name} cannot be read; train the voice again") from error
    rate = sovits_recipe(FAMILIES[name]).learning_rate
    made = []
    for letter, (weights, optimizer) in states.items():
        path = output / f"{letter}_{STATE_NUMBER}.pth"
        write_training_state(path, weights, TrainingProgress(epoch, rate, optimizer))
        made.append(path)
    return made
