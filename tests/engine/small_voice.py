"""A voice with very small networks of random weights: it speaks noise, by all the rules, in no time."""

from __future__ import annotations

from dataclasses import replace

import torch

from GPT_SoVITS.families import FAMILIES, Family, FamilyName, GptConfig
from GPT_SoVITS.inference import Voice
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.models.text_to_semantic import TextToSemantic
from GPT_SoVITS.voice_networks import VoiceNetworks
from tests.engine.classic_family import classic_family

SMALL_GPT = GptConfig(embedding_dim=32, hidden_dim=32, head=4, n_layer=2, ffn_dim=64, bert_channels=8)


def small_family(name: FamilyName = FamilyName.NANO) -> Family:
    """Return a family at the smallest size that still has all of its parts."""
    family = classic_family() if name is FamilyName.NANO else FAMILIES[name]
    sovits = replace(
        family.sovits,
        inter_channels=16,
        hidden_channels=16,
        filter_channels=16,
        mrte_channels=16,
        mrte_heads=2,
        posterior_layers=1,
        flow_layers=1,
        flow_blocks=2,
        upsample_initial_channel=32,
        gin_channels=16,
        style_hidden=16,
    )
    return replace(family, sovits=sovits, gpt=SMALL_GPT)


def small_networks(family: Family, seed: int = 1, end: float = 1.0) -> VoiceNetworks:
    """Return random networks; the larger `end`, the sooner sentences end (0: never by themselves)."""
    torch.manual_seed(seed)
    sovits, gpt = SovitsModel(family.sovits, family.audio), TextToSemantic(family.gpt)
    sovits.quantizer.fit(torch.randn(2048, family.sovits.ssl_channels))
    with torch.no_grad():
        gpt.ar_predict_layer.weight[family.gpt.eos] *= end
    return VoiceNetworks(family, sovits, gpt)


def small_voice(seed: int = 1, end: float = 1.0) -> Voice:
    """Return a small voice of the family nano on the CPU."""
    return Voice(small_networks(small_family(), seed, end), device="cpu")
