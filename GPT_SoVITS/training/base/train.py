"""The two trainings of a base: resumable, bounded in time, with validation and samples after every epoch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from GPT_SoVITS.audio import write_wav
from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.acoustic_trainer import AcousticItem, AcousticTrainee, collate
from GPT_SoVITS.training.base.prepare import Prepared
from GPT_SoVITS.training.base.recipe import BaseRecipe
from GPT_SoVITS.training.codebook import install_codebook
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.loop import LoopOptions, run_training
from GPT_SoVITS.training.pointed_trainer import PointedTrainee

logger = logging.getLogger(__name__)

VALIDATION_FILE = "validation.jsonl"
SAMPLES = "samples"
_SAMPLES_AN_EPOCH = 3
_ENDLESS = 10_000
_SAVE_EVERY_S = 120.0


class _TimeIsUpError(Exception):
    """Ends a training after a checkpoint."""


class BaseSovits(AcousticTrainee):
    """Adds validation and spoken samples before each epoch."""

    folder: Path
    kept_out: Sequence[AcousticItem]

    def batches(self, epoch: int) -> list[list[int]]:
        """Judge what was learnt, then return the batches."""
        if self.updates:
            self._validate(epoch)
        return super().batches(epoch)

    def _validate(self, epoch: int) -> None:
        self.model.eval()
        sums: dict[str, float] = {}
        with torch.inference_mode():
            for start in range(0, len(self.kept_out), 8):
                for name, part in self.losses(self.kept_out[start : start + 8]).items():
                    sums[name] = sums.get(name, 0.0) + part.item() / -(-len(self.kept_out) // 8)
            for item in self.kept_out[:_SAMPLES_AN_EPOCH]:
                self._sample(item, epoch)
        self.model.train()
        note_validation(self.folder, epoch, self.updates, sums)

    def _sample(self, item: AcousticItem, epoch: int) -> None:
        batch = collate([item], crop=False)
        style = self.model.style_of_mel(batch.mel, batch.mel.new_ones(1, 1, batch.mel.shape[2]))
        wave = self.model.decode_chunk(batch.codes.unsqueeze(1), batch.phones, style).wave[0, 0]
        path = self.folder / SAMPLES / f"{item.name}_{epoch:04d}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, wave.float().numpy(), self.model.audio.sample_rate_hz)


class BaseGpt(PointedTrainee):
    """Adds validation before each epoch."""

    folder: Path
    kept_out: Sequence[GptItem]

    def batches(self, epoch: int) -> list[list[int]]:
        """Judge what was learnt, then return the batches."""
        if self.updates:
            self._validate(epoch)
        return super().batches(epoch)

    def _validate(self, epoch: int) -> None:
        self.model.eval()
        sums = {"codes": 0.0, "steps": 0.0}
        rounds = -(-len(self.kept_out) // 8)
        with torch.inference_mode():
            for start in range(0, len(self.kept_out), 8):
                out = self.losses(self.kept_out[start : start + 8])
                sums["codes"] += out.code_loss.item() / rounds
                sums["steps"] += out.step_loss.item() / rounds
        self.model.train()
        note_validation(self.folder, epoch, self.updates, sums)


def note_validation(folder: Path, epoch: int, updates: int, losses: dict[str, float]) -> None:
    """Append one line to the curve of the validation losses."""
    line = {"epoch": epoch, "updates": updates, **{name: round(value, 5) for name, value in losses.items()}}
    with (folder / VALIDATION_FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    logger.info("validation after epoch %d: %s", epoch, line)


def train_base_sovits(
    data: Prepared, family: Family, recipe: BaseRecipe, folder: Path, minutes: float, compute: Compute
) -> SovitsModel:
    """Train the semantic-to-waveform model for so many minutes, from its last checkpoint on."""
    torch.manual_seed(recipe.seed)
    model = SovitsModel(family.sovits, family.audio)
    install_codebook(model, data.codebook)
    model.aligner.emission.copy_(data.emission)
    model.ssl_proj.requires_grad_(False)
    trainee = BaseSovits(model, data.training, schedule=recipe.sovits, compute=compute)
    trainee.kept_out = _spread(data.validation, recipe.validation_items)
    _train(trainee, folder, minutes)
    return model.eval()


def train_base_gpt(
    data: Prepared, family: Family, recipe: BaseRecipe, folder: Path, minutes: float, compute: Compute
) -> TextToSemantic:
    """Train the text-to-semantic model for so many minutes, from its last checkpoint on."""
    torch.manual_seed(recipe.seed)
    model = TextToSemantic(family.gpt)
    model.pointer.aligner.emission.copy_(data.emission)
    items = Prepared.gpt_items(data.training)
    trainee = BaseGpt(model, items, family, schedule=recipe.gpt, compute=compute)
    trainee.kept_out = Prepared.gpt_items(_spread(data.validation, recipe.validation_items))
    _train(trainee, folder, minutes)
    return model.eval()


def _spread(items: Sequence[AcousticItem], count: int) -> list[AcousticItem]:
    """Take `count` items evenly from all, so that every language is among them."""
    return [items[index * len(items) // count] for index in range(min(count, len(items)))] if items else []


def _train(trainee: Any, folder: Path, minutes: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    trainee.folder = folder
    ends = time.monotonic() + 60 * minutes

    def progress(done: int, total: int, note: str) -> None:
        if time.monotonic() >= ends:
            raise _TimeIsUpError
        if done % 50 == 0:
            logger.info("%s: step %d, %s", folder.name, done, note)

    options = LoopOptions(folder, "base", _ENDLESS, save_every_epochs=_ENDLESS, save_every_s=_SAVE_EVERY_S)
    try:
        run_training(trainee, options, progress)
    except _TimeIsUpError:
        logger.info("%s: the time is up; the training can be continued", folder.name)
