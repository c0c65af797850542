"""Posterior encoder (`enc_q`): from the spectrogram of the target to a sample of the latent. Training only."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from GPT_SoVITS.models.wavenet import WaveNet


@dataclass(frozen=True, slots=True)
class Posterior:
    """A drawn latent and the Gaussian it came from, all [B, inter, T]."""

    sample: Tensor
    mean: Tensor
    log_scale: Tensor


class PosteriorEncoder(nn.Module):
    """`enc_q`."""

    def __init__(
        self, spectrogram_channels: int, inter_channels: int, hidden_channels: int, layers: int, style_channels: int
    ) -> None:
        super().__init__()
        self.pre = nn.Conv1d(spectrogram_channels, hidden_channels, 1)
        self.enc = WaveNet(hidden_channels, layers, style_channels)
        self.proj = nn.Conv1d(hidden_channels, 2 * inter_channels, 1)

    def forward(self, spectrogram: Tensor, mask: Tensor, style: Tensor, noise: Tensor) -> Posterior:
        """Draw a latent.

        Args:
            spectrogram: magnitudes [B, bins, T].
            mask: [B, 1, T], 1 where valid.
            style: timbre [B, gin, 1].
            noise: standard normal [B, inter, T].
        """
        hidden = self.enc(self.pre(spectrogram) * mask, mask, style)
        mean, log_scale = (self.proj(hidden) * mask).chunk(2, dim=1)
        return Posterior((mean + noise * log_scale.exp()) * mask, mean, log_scale)
