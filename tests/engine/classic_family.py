"""A family of the public kind (posterior, flow, transposed convolutions, attention to the text) at laptop size."""

from __future__ import annotations

from dataclasses import replace

from GPT_SoVITS.families import Family, GptConfig, SovitsConfig, family


def classic_family() -> Family:
    """Return a family with every part that public ones have; no weights of this size are published."""
    sovits = SovitsConfig(
        version="nano",
        ssl_channels=512,
        style_hidden=64,
        inter_channels=96,
        hidden_channels=96,
        filter_channels=256,
        mrte_channels=128,
        n_layers=2,
        posterior_layers=4,
        flow_layers=2,
        p_dropout=0.0,
        resblock_kernel_sizes=(3, 7),
        resblock_dilation_sizes=((1,), (3,)),
        upsample_rates=(10, 8, 4, 2),
        upsample_kernel_sizes=(20, 16, 8, 4),
        upsample_initial_channel=96,
        gin_channels=128,
        discriminator_periods=(2, 5, 11),
        discriminator_channels=(8, 16, 32, 64, 64),
        discriminator_wave_channels=(8, 8, 16, 32, 64, 64),
        discriminator_wave_groups=(1, 1, 1, 1, 1, 1),
    )
    gpt = GptConfig(embedding_dim=256, hidden_dim=256, head=8, n_layer=6, ffn_dim=1024, bert_channels=1024)
    return replace(family("nano"), sovits=sovits, gpt=gpt)
