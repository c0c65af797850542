"""Model families as data: one record a family, one set of network classes for all of them.

Sizes of the public families are those of the GPT-SoVITS configuration files (s2.json, s2v2Pro.json,
s2v2ProPlus.json, s1longer.yaml, s1longer-v2.yaml). `nano` uses the same classes at laptop size.
This module loads no torch, so that settings can be checked anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

RANDOM_WEIGHTS = "random weights"
"""What `trained_from` says of a voice that was trained without a base: it is not a usable voice."""


class FamilyName(StrEnum):
    """The families that can be trained and spoken with."""

    NANO = "nano"
    V1 = "v1"
    V2 = "v2"
    V2_PRO = "v2Pro"
    V2_PRO_PLUS = "v2ProPlus"


class Decoder(StrEnum):
    """What makes the waveform."""

    HIFI_GAN = "hifigan"
    HARMONIC = "harmonic"


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """Spectral analysis; rates in Hz, lengths in samples."""

    sample_rate_hz: int = 32_000
    fft_samples: int = 2048
    hop_samples: int = 640
    window_samples: int = 2048
    mel_bands: int = 128

    @property
    def spectrogram_channels(self) -> int:
        """Number of bins of the magnitude spectrogram."""
        return self.fft_samples // 2 + 1


@dataclass(frozen=True, slots=True)
class SovitsConfig:
    """Sizes of the semantic-to-waveform model (s2). Field names follow the public configuration files."""

    version: str
    symbols: str = "v2"
    """Which phone table the text embedding uses: v1 (322) or v2 (732)."""
    ssl_channels: int = 768
    codebook_size: int = 1024
    style_channels: int | None = 704
    """Spectrogram bins that the style encoder reads; None means all."""
    style_hidden: int = 128
    inter_channels: int = 192
    hidden_channels: int = 192
    filter_channels: int = 768
    n_heads: int = 2
    n_layers: int = 6
    mrte_channels: int = 512
    mrte_heads: int = 4
    posterior_layers: int = 16
    flow_layers: int = 4
    flow_blocks: int = 4
    kernel_size: int = 3
    p_dropout: float = 0.1
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    upsample_rates: tuple[int, ...] = (10, 8, 2, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (16, 16, 8, 2, 2)
    upsample_initial_channel: int = 512
    gin_channels: int = 512
    speaker_vector_channels: int | None = None
    """Width of the speaker-verification vector, or None for families without one."""
    segment_samples: int = 20_480
    discriminator_periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    discriminator_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    """Output channels of the five convolutions of a period discriminator."""
    discriminator_wave_channels: tuple[int, ...] = (16, 64, 256, 1024, 1024, 1024)
    """Output channels of the six convolutions of the waveform discriminator."""
    discriminator_wave_groups: tuple[int, ...] = (1, 4, 16, 64, 256, 1)
    decoder: str = Decoder.HIFI_GAN.value
    harmonic_channels: int = 256
    """Width of the harmonic decoder."""
    harmonic_layers: int = 6
    phone_timings: int = 0
    """1: where text is read in step with the codes, how far each phone has come is read with it. 0: older voices."""

    @property
    def is_direct(self) -> bool:
        """Whether the prior's mean is decoded as it is, and the text is read in step with the codes.

        A harmonic decoder is trained frame by frame from aligned text, without posterior, flow and discriminators.
        """
        return self.decoder == Decoder.HARMONIC


@dataclass(frozen=True, slots=True)
class GptConfig:
    """Sizes of the text-to-semantic model (s1). Names follow the public yaml."""

    phoneme_vocab_size: int = 732
    vocab_size: int = 1025
    eos: int = 1024
    embedding_dim: int = 512
    hidden_dim: int = 512
    head: int = 16
    n_layer: int = 24
    ffn_dim: int = 2048
    p_dropout: float = 0.1
    bert_channels: int = 1024
    """Width of the text encoder's features; families without one still keep the projection, fed with zeros."""
    max_sec: int = 54
    text_window: int | None = None
    """Phones around the pointer that each code reads beside it; None: no pointer, attention finds the text."""
    longest_rest: int = 0
    """A code is chosen knowing for how many codes, up to this, the pointer has stood at its phone. 0: the way of older
    voices, which choose a code at the phone of the code before."""

    @property
    def is_aligned(self) -> bool:
        """Whether a pointer walks along the text; such a model takes no prompt."""
        return self.text_window is not None


@dataclass(frozen=True, slots=True)
class Family:
    """Everything that tells one family from another."""

    name: FamilyName
    sovits: SovitsConfig
    gpt: GptConfig
    content_encoder: str
    """`whisper` (the encoder of the speech recogniser) or `hubert` (chinese-hubert-base)."""
    text_encoder: str | None
    audio: AudioConfig = field(default_factory=AudioConfig)
    description: str = ""

    @property
    def uses_speaker_vector(self) -> bool:
        """Whether the extract_speaker_vectors step has work to do."""
        return self.sovits.speaker_vector_channels is not None


_V2 = SovitsConfig(version="v2")
_PRO_PERIODS = (2, 3, 5, 7, 11, 17, 23)

_NANO = Family(
    name=FamilyName.NANO,
    sovits=SovitsConfig(
        version="nano",
        ssl_channels=512,
        style_hidden=128,
        inter_channels=192,
        hidden_channels=192,
        filter_channels=512,
        mrte_channels=128,
        n_layers=1,
        p_dropout=0.05,
        gin_channels=128,
        decoder=Decoder.HARMONIC.value,
        harmonic_channels=256,
        harmonic_layers=6,
        phone_timings=1,
    ),
    gpt=GptConfig(
        embedding_dim=256,
        hidden_dim=256,
        head=4,
        n_layer=4,
        ffn_dim=1024,
        bert_channels=1,
        text_window=5,
        longest_rest=15,
    ),
    content_encoder="whisper",
    text_encoder=None,
    description="laptop-sized; content features from the Whisper encoder, no BERT, no speaker vector",
)

FAMILIES: dict[FamilyName, Family] = {
    FamilyName.NANO: _NANO,
    FamilyName.V1: Family(
        name=FamilyName.V1,
        sovits=SovitsConfig(version="v1", symbols="v1", style_channels=None),
        gpt=GptConfig(phoneme_vocab_size=512),
        content_encoder="hubert",
        text_encoder="roberta",
    ),
    FamilyName.V2: Family(
        name=FamilyName.V2, sovits=_V2, gpt=GptConfig(), content_encoder="hubert", text_encoder="roberta"
    ),
    FamilyName.V2_PRO: Family(
        name=FamilyName.V2_PRO,
        sovits=SovitsConfig(
            version="v2Pro",
            p_dropout=0.0,
            gin_channels=1024,
            speaker_vector_channels=20_480,
            discriminator_periods=_PRO_PERIODS,
        ),
        gpt=GptConfig(),
        content_encoder="hubert",
        text_encoder="roberta",
    ),
    FamilyName.V2_PRO_PLUS: Family(
        name=FamilyName.V2_PRO_PLUS,
        sovits=SovitsConfig(
            version="v2ProPlus",
            p_dropout=0.0,
            gin_channels=1024,
            speaker_vector_channels=20_480,
            upsample_initial_channel=768,
            upsample_kernel_sizes=(20, 16, 8, 2, 2),
            discriminator_periods=_PRO_PERIODS,
        ),
        gpt=GptConfig(),
        content_encoder="hubert",
        text_encoder="roberta",
    ),
}


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
    """
    try:
        return FAMILIES[FamilyName(name)]
    except ValueError:
        known = ", ".join(FamilyName)
        raise ValueError(f"model family {name!r} is unknown; choose one of: {known}") from None
