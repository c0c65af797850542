"""The two trainings of a base: resumable, bounded in time, with validation and samples after every epoch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from GPT_SoVITS.audio import write_wav
from GPT_SoVITS.devices import Compute
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.harmonic_decoder import HarmonicDecoder
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.nano_base import GPT_FILE, SOVITS_FILE, load_nano_base
from GPT_SoVITS.training.acoustic_trainer import AcousticItem, AcousticTrainee, collate
from GPT_SoVITS.training.base.prepare import Prepared, gpt_items
from GPT_SoVITS.training.base.recipe import BaseRecipe
from GPT_SoVITS.training.codebook import install_codebook
from GPT_SoVITS.training.loop import LoopOptions, Losses, run_training
from GPT_SoVITS.training.pointed_trainer import PointedTrainee

logger = logging.getLogger(__name__)

VALIDATION_FILE = "validation.jsonl"
SAMPLES = "samples"
_SAMPLES_AN_EPOCH = 3
_LEVEL_ITEMS = 200
_ENDLESS = 10_000
_SAVE_EVERY_S = 60.0


class Deadline:
    """A time in minutes from now, which can be brought forward to this moment."""

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60 * minutes

    def bring_forward(self) -> None:
        """Let the time be up now."""
        self._ends = time.monotonic()

    @property
    def reached(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends


class _TimeIsUpError(Exception):
    """Ends a training after a checkpoint."""


class BaseSovits(AcousticTrainee):
    """Notes the validation losses and writes spoken samples after each epoch."""

    folder: Path

    def judge(self, epoch: int) -> Losses:
        """Judge, note and speak a few clips that were kept out from their own codes."""
        losses = super().judge(epoch)
        note_validation(self.folder, epoch, self.updates, losses)
        self.model.eval()
        for item in self.kept_out[:_SAMPLES_AN_EPOCH]:
            self._speak(item, epoch)
        self.model.train()
        return losses

    def _speak(self, item: AcousticItem, epoch: int) -> None:
        batch = collate([item], self.alignments, crop=False)
        with torch.inference_mode():
            style = self.model.style_of_mel(batch.mel, batch.mel.new_ones(1, 1, batch.mel.shape[2]))
            wave = self.model.decode_chunk(batch.codes.unsqueeze(1), batch.phones, style).wave[0, 0]
        path = self.folder / SAMPLES / f"{item.name}_{epoch:04d}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, wave.float().numpy(), self.model.audio.sample_rate_hz)


class BaseGpt(PointedTrainee):
    """Notes the validation losses after each epoch."""

    folder: Path

    def judge(self, epoch: int) -> Losses:
        """Judge and note."""
        losses = super().judge(epoch)
        note_validation(self.folder, epoch, self.updates, losses)
        return losses


def note_validation(folder: Path, epoch: int, updates: int, losses: dict[str, float]) -> None:
    """Append one line to the curve of the validation losses."""
    line = {"epoch": epoch, "updates": updates, **{name: round(value, 5) for name, value in losses.items()}}
    with (folder / VALIDATION_FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    logger.info("validation after epoch %d: %s", epoch, line)


@dataclass(frozen=True, slots=True)
class BaseRun:
    """What both trainings need to know."""

    data: Prepared
    family: Family
    recipe: BaseRecipe
    compute: Compute
    start: Path | None = None
    """A base whose weights are gone on from; random ones without."""


def train_base_sovits(run: BaseRun, folder: Path, deadline: Deadline) -> SovitsModel:
    """Train the semantic-to-waveform model until a deadline, from its last checkpoint on."""
    data, recipe = run.data, run.recipe
    torch.manual_seed(recipe.seed)
    model = SovitsModel(run.family.sovits, run.family.audio)
    if run.start is not None:
        load_nano_base(model, run.start, SOVITS_FILE)
    else:
        install_codebook(model, data.codebook)
        model.aligner.emission.copy_(data.emission)
        _set_levels(model, data.training)
    model.ssl_proj.requires_grad_(False)
    kept_out = _spread(data.validation, recipe.validation_items)
    trainee = BaseSovits(model, data.training, kept_out, recipe.sovits, run.compute)
    _train(trainee, folder, deadline)
    return model.eval()


def train_base_gpt(run: BaseRun, folder: Path, deadline: Deadline) -> TextToSemantic:
    """Train the text-to-semantic model until a deadline, from its last checkpoint on."""
    data, recipe = run.data, run.recipe
    torch.manual_seed(recipe.seed)
    model = TextToSemantic(run.family.gpt)
    if run.start is not None:
        load_nano_base(model, run.start, GPT_FILE)
    else:
        model.pointer.aligner.emission.copy_(data.emission)
    kept_out = _spread(data.validation, recipe.validation_items)
    items = [*gpt_items(data.training), *data.paced]
    trainee = BaseGpt(model, items, gpt_items(kept_out), recipe.gpt, run.compute)
    _train(trainee, folder, deadline)
    return model.eval()


def _set_levels(model: SovitsModel, items: Sequence[AcousticItem]) -> None:
    """Tell the decoder the levels of the corpus, measured on some of it."""
    decoder = model.dec
    assert isinstance(decoder, HarmonicDecoder)
    rows = torch.cat([item.envelope.float() for item in _spread(items, _LEVEL_ITEMS)], dim=1)
    decoder.set_levels(rows.mean(dim=1), rows.std(dim=1))


def _spread(items: Sequence[AcousticItem], count: int) -> list[AcousticItem]:
    """Take `count` items evenly from all, so that every language is among them."""
    return [items[index * len(items) // count] for index in range(min(count, len(items)))] if items else []


def _train(trainee: BaseSovits | BaseGpt, folder: Path, deadline: Deadline) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    trainee.folder = folder

    def progress(done: int, total: int, note: str) -> None:
        if deadline.reached:
            trainee.judge(trainee.updates)
            raise _TimeIsUpError
        if done % 50 == 0:
            logger.info("%s: step %d, %s", folder.name, done, note)

    options = LoopOptions(folder, "base", _ENDLESS, save_every_epochs=_ENDLESS, save_every_s=_SAVE_EVERY_S)
    try:
        run_training(trainee, options, progress)
    except _TimeIsUpError:
        logger.info("%s: the time is up; the training can be continued", folder.name)
