"""Text and content encoder (`enc_p`): from content rows and phones to the prior of the latent.

Content (the quantised codes, 50 frames a second) and phones are encoded apart, the content then attends to the
phones (MRTE, multi-reference timbre encoding, after MegaTTS), timbre is added, and a last encoder smooths.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.families import SovitsConfig
from GPT_SoVITS.models.attention import CrossAttention, RelativeEncoder

_TIMINGS = 4
"""Measures that `phone_timing` gives."""
SYMBOL_COUNTS = {"v1": 322, "v2": 732}
"""Rows of the two public phone tables."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A diagonal Gaussian over latent frames; mean and log_scale [B, inter, T], mask [B, 1, T]."""

    mean: Tensor
    log_scale: Tensor
    mask: Tensor


class TimbreCrossAttention(nn.Module):
    """MRTE: content attends to phones, then timbre is added."""

    def __init__(self, hidden_channels: int, channels: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(channels, heads)
        self.c_pre = nn.Conv1d(hidden_channels, channels, 1)
        self.text_pre = nn.Conv1d(hidden_channels, channels, 1)
        self.c_post = nn.Conv1d(channels, hidden_channels, 1)

    def forward(self, content: Tensor, content_mask: Tensor, text: Tensor, text_mask: Tensor, style: Tensor) -> Tensor:
        """Mix text and timbre into content.

        Args:
            content: [B, hidden, T], mask [B, 1, T].
            text: [B, hidden, P], mask [B, 1, P].
            style: [B, channels, 1].

        Returns:
            [B, hidden, T].
        """
        content = self.c_pre(content * content_mask)
        text = self.text_pre(text * text_mask)
        attended = self.cross_attention(content * content_mask, text * text_mask, text_mask)
        mixed: Tensor = self.c_post((attended + content + style) * content_mask)
        return mixed


class AlignedText(nn.Module):
    """In place of attention: each content frame reads the phone that it belongs to and how far that one has come.

    Timbre is added alike.
    """

    def __init__(self, hidden_channels: int, channels: int, *, timed: bool) -> None:
        super().__init__()
        self.timing = nn.Conv1d(_TIMINGS, channels, 1) if timed else None
        self.c_pre = nn.Conv1d(hidden_channels, channels, 1)
        self.text_pre = nn.Conv1d(hidden_channels, channels, 1)
        self.c_post = nn.Conv1d(channels, hidden_channels, 1)

    def forward(self, content: Tensor, content_mask: Tensor, text: Tensor, alignment: Tensor, style: Tensor) -> Tensor:
        """Mix text and timbre into content.

        Args:
            content: [B, hidden, T], mask [B, 1, T].
            text: [B, hidden, P].
            alignment: place of each frame's phone, int64 [B, T].
            style: [B, channels, 1].

        Returns:
            [B, hidden, T].
        """
        text = self.text_pre(text)
        read = text.gather(2, alignment.unsqueeze(1).expand(-1, text.shape[1], -1))
        if self.timing is not None:
            read = read + self.timing(phone_timing(alignment))
        mixed: Tensor = self.c_post((read + self.c_pre(content) + style) * content_mask)
        return content + mixed


def phone_timing(alignment: Tensor) -> Tensor:
    """Return how long each frame's phone has sounded and will sound, float [B, 4, T], for an alignment int64 [B, T].

    Logarithms of one plus the frames before and after it within the phone and of the phone's whole length, and the
    share of the phone that is over.
    """
    frames = alignment.shape[1]
    index = torch.arange(frames, device=alignment.device).expand_as(alignment)
    changes = alignment.diff(dim=1) != 0
    begins = F.pad(changes, (1, 0), value=True)
    ends = F.pad(changes, (0, 1), value=True)
    before = index - index.masked_fill(~begins, 0).cummax(dim=1).values
    after = index.masked_fill(~ends, frames).flip(1).cummin(dim=1).values.flip(1) - index
    whole = before + after
    return torch.stack([before.log1p(), after.log1p(), (before + 0.5) / (whole + 1), whole.log1p()], dim=1)


class TextEncoder(nn.Module):
    """`enc_p`."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        hidden = config.hidden_channels

        def encoder(layers: int) -> RelativeEncoder:
            return RelativeEncoder(
                hidden, config.filter_channels, config.n_heads, layers, config.kernel_size, config.p_dropout
            )

        self.ssl_proj = nn.Conv1d(config.ssl_channels, hidden, 1)
        self.encoder_ssl = encoder(config.n_layers // 2)
        self.encoder_text = encoder(config.n_layers)
        self.text_embedding = nn.Embedding(SYMBOL_COUNTS[config.symbols], hidden)
        nn.init.normal_(self.text_embedding.weight, std=hidden**-0.5)
        self.mrte: nn.Module
        if config.is_direct:
            self.mrte = AlignedText(hidden, config.mrte_channels, timed=config.phone_timings > 0)
        else:
            self.mrte = TimbreCrossAttention(hidden, config.mrte_channels, config.mrte_heads)
        self.encoder2 = encoder(config.n_layers // 2)
        self.proj = nn.Conv1d(hidden, 2 * config.inter_channels, 1)

    def latent(self, content: Tensor, content_mask: Tensor, phones: Tensor, text_mask: Tensor, style: Tensor) -> Tensor:
        """Return the content latent [B, hidden, T], before any change of speed; arguments as in `forward`."""
        content = self.encoder_ssl(self.ssl_proj(content * content_mask) * content_mask, content_mask)
        text = self.encoder_text(self.text_embedding(phones).mT, text_mask)
        mixed: Tensor = self.encoder2(self.mrte(content, content_mask, text, text_mask, style), content_mask)
        return mixed

    def aligned_latent(
        self, content: Tensor, content_mask: Tensor, text: tuple[Tensor, Tensor], alignment: Tensor, style: Tensor
    ) -> Tensor:
        """Return the latent [B, hidden, T] of a direct family.

        Args:
            content: quantised content rows at 50 Hz, [B, ssl_channels, T].
            content_mask: [B, 1, T], 1 where valid.
            text: phone ids, int64 [B, P], and their mask [B, 1, P].
            alignment: place of each frame's phone, int64 [B, T].
            style: timbre [B, mrte_channels, 1].
        """
        phones, text_mask = text
        content = self.encoder_ssl(self.ssl_proj(content * content_mask) * content_mask, content_mask)
        encoded = self.encoder_text(self.text_embedding(phones).mT, text_mask)
        mixed: Tensor = self.encoder2(self.mrte(content, content_mask, encoded, alignment, style), content_mask)
        return mixed

    def prior(self, latent: Tensor, mask: Tensor, speed: float = 1.0) -> Prior:
        """Turn a content latent [B, hidden, T] into the prior, over int(T / speed) + 1 frames if speed is not 1."""
        if speed != 1.0:
            frames = int(latent.shape[-1] / speed) + 1
            latent = F.interpolate(latent, size=frames, mode="linear")
            mask = F.interpolate(mask, size=frames, mode="nearest")
        mean, log_scale = (self.proj(latent) * mask).chunk(2, dim=1)
        return Prior(mean, log_scale, mask)

    def forward(self, content: Tensor, content_mask: Tensor, phones: Tensor, text_mask: Tensor, style: Tensor) -> Prior:
        """Encode to the prior.

        Args:
            content: quantised content rows at 50 Hz, [B, ssl_channels, T].
            content_mask: [B, 1, T], 1 where valid.
            phones: ids, int64 [B, P].
            text_mask: [B, 1, P], 1 where valid.
            style: timbre [B, mrte_channels, 1].
        """
        return self.prior(self.latent(content, content_mask, phones, text_mask, style), content_mask)
