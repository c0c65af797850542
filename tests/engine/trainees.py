"""Small models with made-up clips, for tests of the trainers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from GPT_SoVITS.devices import Compute, choose_compute
from GPT_SoVITS.families import Family, family
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.gpt_trainer import GptSetup, GptTrainee
from GPT_SoVITS.training.parallel import ALONE, Group
from GPT_SoVITS.training.recipe import GptRecipe, SovitsRecipe
from GPT_SoVITS.training.sovits_data import SovitsItem
from GPT_SoVITS.training.sovits_trainer import SovitsSetup, SovitsTrainee

SOVITS_RECIPE = SovitsRecipe(learning_rate=4e-4, bucket_limits_frames=(32, 300, 1900), small_set=1)
GPT_RECIPE = GptRecipe(batches_per_update=2, small_set=1)


@dataclass(frozen=True, slots=True)
class Making:
    """How to make a trainee."""

    batch_size: int = 2
    group: Group = ALONE
    plain: bool = False
    """No dropout, whose draws depend on how a batch is divided, and gradient descent in place of Adam, which makes
    large steps of gradients that are nothing but rounding."""
    compute: Compute | None = None


def tiny_family(speaker_vector_channels: int | None = None, *, plain: bool = False) -> Family:
    """Return the public family v2 shrunk until a step takes milliseconds."""
    v2 = family("v2")
    p_dropout = 0.0 if plain else 0.1
    sovits = replace(
        v2.sovits,
        ssl_channels=32,
        codebook_size=64,
        style_hidden=16,
        inter_channels=32,
        hidden_channels=32,
        filter_channels=32,
        mrte_channels=32,
        gin_channels=32,
        n_layers=2,
        posterior_layers=1,
        flow_layers=1,
        p_dropout=p_dropout,
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1,),),
        upsample_rates=(10, 8, 4, 2),
        upsample_kernel_sizes=(20, 16, 8, 4),
        upsample_initial_channel=64,
        segment_samples=12_800,
        discriminator_periods=(2, 5),
        discriminator_channels=(4, 8, 8, 8, 8),
        discriminator_wave_channels=(4, 4, 8, 8, 8, 8),
        discriminator_wave_groups=(1,) * 6,
        speaker_vector_channels=speaker_vector_channels,
    )
    sizes = {"embedding_dim": 32, "hidden_dim": 32, "head": 2, "n_layer": 1, "ffn_dim": 64, "bert_channels": 16}
    return replace(v2, sovits=sovits, gpt=replace(v2.gpt, **sizes, p_dropout=p_dropout))


def sovits_trainee(making: Making | None = None, chosen: Family | None = None, clips: int = 4) -> SovitsTrainee:
    """Return a trainee of the semantic-to-waveform model; everything follows from a seed."""
    making = making or Making()
    chosen = chosen or tiny_family(plain=making.plain)
    torch.manual_seed(1)
    model, critic = SovitsModel(chosen.sovits, chosen.audio), SovitsDiscriminator(chosen.sovits)
    model.quantizer.codebook.embed.normal_()
    model.quantizer.codebook.inited.fill_(1)
    items = [_sovits_item(number, chosen) for number in range(clips)]
    compute = making.compute or choose_compute("cpu")
    setup = SovitsSetup(chosen, SOVITS_RECIPE, compute, making.batch_size, making.group)
    trainee = SovitsTrainee(model, critic, items, setup)
    if making.plain:
        trainee.model.ref_enc.eval()  # its dropout is no setting of the family
        trainee.model_optimizer = _descent(trainee.model_optimizer)
        trainee.critic_optimizer = _descent(trainee.critic_optimizer)
    return trainee


def _sovits_item(number: int, chosen: Family) -> SovitsItem:
    generator = torch.Generator().manual_seed(number)
    wave = torch.randn((60 + 10 * number) * 640, generator=generator) * 0.1
    magnitudes = spectrogram(wave.unsqueeze(0), chosen.audio).squeeze(0)
    ssl = torch.randn(chosen.sovits.ssl_channels, magnitudes.shape[1], generator=generator)
    phones = torch.randint(1, 300, (20 + number,), generator=generator)
    width = chosen.sovits.speaker_vector_channels
    vector = None if width is None else torch.randn(width, generator=generator)
    return SovitsItem(str(number), phones, ssl, magnitudes, wave, vector)


def gpt_trainee(making: Making | None = None, recipe: GptRecipe = GPT_RECIPE, clips: int = 16) -> GptTrainee:
    """Return a trainee of the text-to-semantic model; everything follows from a seed. Every other clip has features."""
    making = making or Making()
    chosen = tiny_family(plain=making.plain)
    torch.manual_seed(1)
    items = [_gpt_item(number, chosen) for number in range(clips)]
    setup = GptSetup(chosen, recipe, making.compute or choose_compute("cpu"), making.batch_size, making.group)
    trainee = GptTrainee(TextToSemantic(chosen.gpt), items, setup)
    if making.plain:
        trainee.optimizer = _descent(trainee.optimizer)
    return trainee


def _gpt_item(number: int, chosen: Family) -> GptItem:
    generator = torch.Generator().manual_seed(number)
    phones = torch.randint(1, 300, (10 + number,), generator=generator)
    codes = torch.randint(0, 1024, (30 + 3 * number,), generator=generator)
    bert = torch.randn(chosen.gpt.bert_channels, len(phones), generator=generator) if number % 2 else None
    return GptItem(str(number), phones, codes, len(codes) / 25, bert)


def _descent(optimizer: torch.optim.Optimizer) -> Any:
    groups = [{name: group[name] for name in ("params", "share") if name in group} for group in optimizer.param_groups]
    return torch.optim.SGD(groups, lr=1e-3)
