"""How long decoding, a training step and the feature steps take, for each family, cold and warm apart.

    python -m benchmarks.engine_training [FAMILY ...] [--batch-size N] [--steps N]

All networks have their full size and random weights, which cost as much as trained ones. They are written to a scratch
folder and read from there as the service does. Cold is the first use, loading included; warm is the mean of the next
ones. The device is the one that a training would choose.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import decode as decoding
from benchmarks._report import Row, publish
from GPT_SoVITS.audio import decode
from GPT_SoVITS.base_files import base_files
from GPT_SoVITS.content import content_encoder, content_wave
from GPT_SoVITS.devices import Compute, allow_fast_products, choose_compute, use_all_cores
from GPT_SoVITS.families import FAMILIES, Family, FamilyName, family
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.roberta import text_encoder
from GPT_SoVITS.speaker import speaker_encoder, speaker_wave
from GPT_SoVITS.training.acoustic_trainer import AcousticTrainee
from GPT_SoVITS.training.direct_data import acoustic_items, ensure_alignment
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.gpt_trainer import GptSetup, GptTrainee
from GPT_SoVITS.training.loop import Trainee
from GPT_SoVITS.training.pointed_trainer import PointedTrainee
from GPT_SoVITS.training.recipe import gpt_recipe, gpt_schedule, sovits_recipe, sovits_schedule
from GPT_SoVITS.training.sovits_data import SovitsItem
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee

CLIPS = Path(__file__).parent.parent / "daemon" / "demo" / "allison_en"
CLIP_S = 4.0
SENTENCE = "今天天气很好我们一起去公园散步吧好吗"
"""As many characters as are spoken in about CLIP_S."""
PHONES = 60
WARM_CLIPS = 5
CLIPS_TOGETHER = 8
DECODE_ROUNDS = 3

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of the first call and the mean of the later ones."""

    cold_s: float
    warm_s: float


def timed(first: Callable[[], object], later: Callable[[], object], repeats: int, device: torch.device) -> Times:
    """Measure one call of `first`, then the mean of `repeats` calls of `later`."""
    with _clock(device) as cold:
        first()
    with _clock(device) as warm:
        for _ in range(repeats):
            later()
    return Times(cold[0], warm[0] / repeats)


@contextmanager
def _clock(device: torch.device) -> Iterator[list[float]]:
    seconds = [0.0]
    began = time.perf_counter()
    yield seconds
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds[0] = time.perf_counter() - began


def write_encoders(chosen: Family, models_dir: Path) -> None:
    """Write the encoders of a public family with random weights, in the public layout."""
    from transformers import BertConfig, BertModel, HubertConfig, HubertModel

    files = base_files(chosen, str(models_dir))
    torch.manual_seed(0)
    HubertModel(HubertConfig()).half().save_pretrained(files.hubert)
    large = BertConfig(
        vocab_size=21_128, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
    )
    BertModel(large, add_pooling_layer=False).half().save_pretrained(files.roberta)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(SENTENCE)]
    (files.roberta / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    if files.speaker is not None:
        files.speaker.parent.mkdir(parents=True, exist_ok=True)
        torch.save(ERes2NetV2().state_dict(), files.speaker)


def recorded_clips() -> list[Samples]:
    """Return the recordings that the repository carries, each CLIP_S long at 32 kHz."""
    wanted = round(CLIP_S * 32_000)
    return [np.resize(decode(path, 32_000).samples, wanted) for path in sorted(CLIPS.glob("*.flac"))]


def feature_rows(chosen: Family, clips: Sequence[Samples], models_dir: str, device: torch.device) -> list[Row]:
    """Measure the encoders and the quantiser of a family."""
    name = str(device)
    heard = content_wave(clips[0], 32_000)

    def content(count: int) -> list[Tensor]:
        return content_encoder(chosen, models_dir, name)([heard] * count)

    rows = _encoder_rows(f"{chosen.name}: content features", content, device)
    ssl = content(1)[0].to(device)
    if chosen.text_encoder is not None:
        rows += _encoder_rows(f"{chosen.name}: text features (zh)", _text_encoding(chosen, models_dir, device), device)
    if chosen.uses_speaker_vector:
        embedding = _speaker_encoding(chosen, models_dir, clips[0], device)
        rows += _encoder_rows(f"{chosen.name}: speaker vector", embedding, device)
    model = SovitsModel(chosen.sovits, chosen.audio).eval().to(device)
    model.quantizer.codebook.inited.fill_(1)
    codes = timed(lambda: model.extract_codes(ssl), lambda: model.extract_codes(ssl), WARM_CLIPS, device)
    return rows + _pair(f"{chosen.name}: codes", codes)


def _text_encoding(chosen: Family, models_dir: str, device: torch.device) -> Callable[[int], object]:
    def encode(count: int) -> list[Tensor]:
        encoder = text_encoder(chosen, models_dir, str(device))
        assert encoder is not None
        return encoder.encode([(SENTENCE, [2] * len(SENTENCE))] * count)

    return encode


def _speaker_encoding(chosen: Family, models_dir: str, clip: Samples, device: torch.device) -> Callable[[int], object]:
    def embed(count: int) -> list[Tensor]:
        encoder = speaker_encoder(chosen, models_dir, str(device))
        assert encoder is not None
        return encoder.embed([speaker_wave(clip, 32_000)] * count)

    return embed


def _encoder_rows(what: str, encode: Callable[[int], object], device: torch.device) -> list[Row]:
    """Measure an encoder with one clip, and how many times as fast it is with several at once."""
    alone = timed(lambda: encode(1), lambda: encode(1), WARM_CLIPS, device)
    together = timed(lambda: encode(CLIPS_TOGETHER), lambda: encode(CLIPS_TOGETHER), 1, device).warm_s / CLIPS_TOGETHER
    rows = _pair(what, alone)
    together_rows = [
        Row(f"{what}, {CLIPS_TOGETHER} together ÷ alone, clips a second", alone.warm_s / together, "times")
    ]
    _tell(together_rows)
    return rows + together_rows


def _pair(what: str, times: Times) -> list[Row]:
    rows = [
        Row(f"{what}, cold", times.cold_s, "s"),
        Row(f"{what}, warm", times.warm_s / CLIP_S, "s a second of audio"),
    ]
    _tell(rows)
    return rows


def _tell(rows: Sequence[Row]) -> None:
    """Print measurements at once: a full-size family takes minutes on a CPU."""
    for row in rows:
        print(f"{row.what}: {row.value:.3g} {row.unit}", flush=True)


def training_rows(chosen: Family, clips: Sequence[Samples], batch_size: int, steps: int, compute: Compute) -> list[Row]:
    """Measure the steps of both trainers on batches of clips of CLIP_S."""
    torch.manual_seed(0)
    rows = []
    for what, trainee in (
        ("SoVITS", _sovits_trainee(chosen, clips, batch_size, compute)),
        ("GPT", _gpt_trainee(chosen, batch_size, compute)),
    ):
        step = partial(_step, trainee, itertools.count(1), list(range(batch_size)))
        times = timed(step, step, steps, compute.device)
        name = f"{chosen.name}: {what} training step of {batch_size}"
        rows += [Row(f"{name}, cold", times.cold_s, "s"), Row(f"{name}, warm", times.warm_s, "s")]
        _tell(rows[-2:])
    return rows


def _step(trainee: Trainee, numbers: Iterator[int], batch: list[int]) -> None:
    trainee.train(0, next(numbers), batch)


def _sovits_trainee(chosen: Family, clips: Sequence[Samples], batch_size: int, compute: Compute) -> Trainee:
    model = SovitsModel(chosen.sovits, chosen.audio)
    model.quantizer.codebook.inited.fill_(1)
    items = [_sovits_item(str(n), clips[n % len(clips)], chosen) for n in range(batch_size)]
    if chosen.sovits.is_direct:
        measured = acoustic_items(items, model)
        ensure_alignment(model.aligner, measured)
        return AcousticTrainee(model, measured, [], sovits_schedule(epochs=50), compute)
    critic = SovitsDiscriminator(chosen.sovits)
    return SovitsTrainee(model, critic, items, SovitsSetup(chosen, sovits_recipe(chosen), compute, batch_size))


def _sovits_item(name: str, clip: Samples, chosen: Family) -> SovitsItem:
    wave = torch.from_numpy(clip)
    magnitudes = spectrogram(wave.unsqueeze(0), chosen.audio).squeeze(0)
    ssl = torch.randn(chosen.sovits.ssl_channels, magnitudes.shape[1])
    width = chosen.sovits.speaker_vector_channels
    phones = torch.randint(1, 300, (PHONES,))
    return SovitsItem(name, phones, ssl, magnitudes, wave, None if width is None else torch.randn(width))


def _gpt_trainee(chosen: Family, batch_size: int, compute: Compute) -> Trainee:
    items = [
        GptItem(
            str(n),
            torch.randint(1, 300, (PHONES,)),
            torch.randint(0, chosen.gpt.eos, (round(CLIP_S * 25),)),
            CLIP_S,
            torch.randn(chosen.gpt.bert_channels, PHONES),
        )
        for n in range(batch_size)
    ]
    model = TextToSemantic(chosen.gpt)
    if chosen.gpt.is_aligned:
        ensure_alignment(model.pointer.aligner, items)
        return PointedTrainee(model, items, [], gpt_schedule(epochs=15), compute)
    return GptTrainee(model, items, GptSetup(chosen, gpt_recipe(chosen), compute, batch_size))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", default=list(FAMILIES), metavar="FAMILY")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3, help="warm steps of each trainer")
    arguments = parser.parse_args()
    use_all_cores()
    compute = choose_compute()
    if compute.device.type == "cuda":
        allow_fast_products()
    clips = recorded_clips()
    rows: list[Row] = []
    for name in arguments.families:
        chosen = family(name)
        with tempfile.TemporaryDirectory() as scratch:
            if chosen.name is not FamilyName.NANO:
                write_encoders(chosen, Path(scratch))
            models_dir = scratch if chosen.name is not FamilyName.NANO else ""
            rows += feature_rows(chosen, clips, models_dir, compute.device)
        rows += training_rows(chosen, clips, arguments.batch_size, arguments.steps, compute)
        decoded = decoding.measure(chosen.name, DECODE_ROUNDS)
        _tell(decoded)
        rows += decoded
    publish("engine_training", f"Decoding, training and features on {compute.reason}", rows)


if __name__ == "__main__":
    main()
