"""From features to training data: codebook, codes, phones and alignment of a corpus, written as arrays to be mapped."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.families import Family
from GPT_SoVITS.models.aligner import PhoneAligner
from GPT_SoVITS.models.quantizer import Codebook
from GPT_SoVITS.models.sovits import FRAMES_PER_CODE, SovitsModel
from GPT_SoVITS.models.text_encoder import SYMBOL_COUNTS
from GPT_SoVITS.nano_base import SOVITS_FILE, load_nano_base
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.languages import language_of_list, mode_for_language
from GPT_SoVITS.training.acoustic_trainer import AcousticItem
from GPT_SoVITS.training.base.alignment import Spoken, fit_aligner, refine_aligner
from GPT_SoVITS.training.base.corpus import Utterance
from GPT_SoVITS.training.base.extract import feature_path, paced_path
from GPT_SoVITS.training.base.recipe import BaseRecipe
from GPT_SoVITS.training.codebook import ContentCodebook, codebook_of, fit_codebook, read_codebook, write_codebook
from GPT_SoVITS.training.gpt_data import GptItem

logger = logging.getLogger(__name__)

CODEBOOK = "codebook.npz"
CODES_PER_SECOND = 25
INDEX = "index.json"
PACED = "paced.json"
EMISSION = "emission.npy"
_FRAME_ARRAYS = {"mel": 2, "pitch_hz": 4, "voiced": 4, "envelope": 4, "noise": 4}
"""Frames a code of each array."""
Half = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A corpus ready to train on."""

    training: tuple[AcousticItem, ...]
    validation: tuple[AcousticItem, ...]
    paced: tuple[GptItem, ...]
    """The clips to train on at other paces."""
    codebook: ContentCodebook
    emission: Tensor


def gpt_items(items: Sequence[AcousticItem]) -> list[GptItem]:
    """Return the same clips as the text-to-semantic model wants them."""
    return [GptItem(item.name, item.phones, item.codes, len(item.codes) / CODES_PER_SECOND) for item in items]


def keep_tokens(base: Path, output: Path, family: Family) -> None:
    """Let the data that `prepare` will write use the codebook and the alignment of a base that is gone on from.

    Raises:
        CheckpointError: the base cannot be read.
    """
    output.mkdir(parents=True, exist_ok=True)
    model = SovitsModel(family.sovits, family.audio)
    load_nano_base(model, base, SOVITS_FILE)
    write_codebook(output / CODEBOOK, codebook_of(model))
    np.save(output / EMISSION, model.aligner.emission.numpy().astype(np.float16))


def prepare(utterances: Sequence[Utterance], cache: Path, output: Path, family: Family, recipe: BaseRecipe) -> None:
    """Write everything that both trainings read; recordings without features are left out.

    A codebook and an alignment that are there already are kept: weights that know them can learn from more recordings.
    """
    output.mkdir(parents=True, exist_ok=True)
    known = [utterance for utterance in utterances if feature_path(cache, utterance).exists()]
    training = [utterance for utterance in known if not utterance.validation]
    if not (output / CODEBOOK).exists():
        rows = _content_rows(training, cache, recipe)
        logger.info("the codebook is fitted to %d frame pairs", len(rows))
        fit_codebook(rows, family.sovits.codebook_size, recipe.codebook_directions, output / CODEBOOK)
    quantise = _Quantiser(read_codebook(output / CODEBOOK))
    codes = {each.name: quantise(_content_pairs(feature_path(cache, each))) for each in known}
    phones = {each.name: _phones(each, family) for each in known}
    if not (output / EMISSION).exists():
        aligner = PhoneAligner(SYMBOL_COUNTS[family.sovits.symbols], family.sovits.codebook_size)
        spoken = Spoken(
            [phones[each.name] for each in training],
            [codes[each.name] for each in training],
            [_content_frames(feature_path(cache, each)) for each in training],
        )
        fit_aligner(aligner, spoken.phones, spoken.codes)
        refine_aligner(aligner, spoken, recipe.seed)
        np.save(output / EMISSION, aligner.emission.numpy().astype(np.float16))
    _write_frames(known, codes, cache, output)
    paced = [
        {
            "name": path.stem,
            "phones": phones[each.name].tolist(),
            "codes": quantise(_content_pairs(path)).tolist(),
        }
        for each in training
        for turn in range(recipe.paces)
        if (path := paced_path(cache, each, turn)).exists()
    ]
    (output / PACED).write_text(json.dumps(paced), encoding="utf-8")
    index = [
        {
            "name": each.name,
            "validation": each.validation,
            "phones": phones[each.name].tolist(),
            "codes": codes[each.name].tolist(),
        }
        for each in known
    ]
    (output / INDEX).write_text(json.dumps(index), encoding="utf-8")


def load_prepared(output: Path) -> Prepared:
    """Read what `prepare` wrote; the frames stay on disk until they are used."""
    arrays = {name: np.load(output / f"{name}.npy", mmap_mode="c") for name in _FRAME_ARRAYS}
    training: list[AcousticItem] = []
    validation: list[AcousticItem] = []
    start = 0
    for entry in json.loads((output / INDEX).read_text(encoding="utf-8")):
        codes = torch.tensor(entry["codes"])
        parts = {name: _mapped(arrays[name], start * rate, len(codes) * rate) for name, rate in _FRAME_ARRAYS.items()}
        target = validation if entry["validation"] else training
        target.append(AcousticItem(entry["name"], torch.tensor(entry["phones"]), codes, **parts))
        start += len(codes)
    emission = torch.from_numpy(np.load(output / EMISSION).astype(np.float32))
    return Prepared(tuple(training), tuple(validation), _paced(output), read_codebook(output / CODEBOOK), emission)


def _paced(output: Path) -> tuple[GptItem, ...]:
    if not (output / PACED).exists():
        return ()  # prepared before there were other paces
    entries = json.loads((output / PACED).read_text(encoding="utf-8"))
    return tuple(
        GptItem(
            each["name"],
            torch.tensor(each["phones"]),
            torch.tensor(each["codes"]),
            len(each["codes"]) / CODES_PER_SECOND,
        )
        for each in entries
    )


def _mapped(array: Half, start: int, length: int) -> Tensor:
    """Return frames [..., length] out of a mapped array [frames, ...]; they stay mapped."""
    return torch.from_numpy(array[start : start + length]).movedim(0, -1)


def _content_frames(path: Path) -> Tensor:
    """Return the content frames of whole codes: float16 [2 N, C]."""
    with np.load(path) as stored:
        content = torch.from_numpy(stored["content"])
    return content[:, : content.shape[1] // FRAMES_PER_CODE * FRAMES_PER_CODE].mT.contiguous()


def _content_pairs(path: Path) -> NDArray[np.float32]:
    """Return the mean of every two content frames: float32 [N, C]."""
    frames = _content_frames(path).float()
    mean: NDArray[np.float32] = frames.reshape(-1, FRAMES_PER_CODE, frames.shape[1]).mean(dim=1).numpy()
    return mean


def _content_rows(utterances: Sequence[Utterance], cache: Path, recipe: BaseRecipe) -> NDArray[np.float32]:
    """Return frame pairs of utterances in random order, up to the recipe's number."""
    order = np.random.default_rng(recipe.seed).permutation(len(utterances))
    rows: list[NDArray[np.float32]] = []
    count = 0
    for index in order:
        rows.append(_content_pairs(feature_path(cache, utterances[index])))
        count += len(rows[-1])
        if count >= recipe.codebook_rows:
            break
    return np.concatenate(rows)


class _Quantiser:
    """Codes of frame pairs under a codebook."""

    def __init__(self, codebook: ContentCodebook) -> None:
        self.codebook = codebook
        self.table = Codebook(*codebook.centres.shape)
        self.table.embed.copy_(codebook.centres)

    def __call__(self, pairs: NDArray[np.float32]) -> Tensor:
        """Return codes int64 [N] of pairs float32 [N, C]."""
        return self.table.nearest((torch.from_numpy(pairs) - self.codebook.mean) / self.codebook.scale)


def _phones(utterance: Utterance, family: Family) -> Tensor:
    mode = mode_for_language(language_of_list(utterance.language))
    return torch.tensor(ids_of(phones_of(utterance.text, mode, symbols=family.sovits.symbols)))


def _write_frames(known: Sequence[Utterance], codes: dict[str, Tensor], cache: Path, output: Path) -> None:
    """Write each array [frames, ...] of the whole corpus, cut to whole codes."""
    total = sum(len(each) for each in codes.values())
    arrays: dict[str, Half] = {}
    start = 0
    for utterance in known:
        count = len(codes[utterance.name])
        with np.load(feature_path(cache, utterance)) as stored:
            for name, rate in _FRAME_ARRAYS.items():
                frames = np.moveaxis(stored[name][..., : count * rate], -1, 0)
                if name not in arrays:
                    path, shape = output / f"{name}.npy", (total * rate, *frames.shape[1:])
                    arrays[name] = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
                arrays[name][start * rate : (start + count) * rate] = frames
        start += count
