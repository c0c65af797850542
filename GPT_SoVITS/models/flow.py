"""Normalising flow between the posterior's latent and the prior's (volume preserving, as in VITS)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from GPT_SoVITS.models.wavenet import WaveNet


class MeanCoupling(nn.Module):
    """Affine coupling without a scale: the second half of the channels is shifted by a function of the first."""

    def __init__(self, channels: int, hidden_channels: int, layers: int, style_channels: int) -> None:
        super().__init__()
        self.pre = nn.Conv1d(channels // 2, hidden_channels, 1)
        self.enc = WaveNet(hidden_channels, layers, style_channels)
        self.post = nn.Conv1d(hidden_channels, channels // 2, 1)
        # An untrained flow is the identity, so that training starts from matching posterior and prior.
        nn.init.zeros_(self.post.weight)
        assert self.post.bias is not None
        nn.init.zeros_(self.post.bias)

    def _shift(self, kept: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        shift: Tensor = self.post(self.enc(self.pre(kept) * mask, mask, style)) * mask
        return shift

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Map x [B, C, T] towards the prior."""
        kept, moved = x.chunk(2, dim=1)
        return torch.cat((kept, self._shift(kept, mask, style) + moved * mask), dim=1)

    def inverse(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Undo `forward`."""
        kept, moved = x.chunk(2, dim=1)
        return torch.cat((kept, (moved - self._shift(kept, mask, style)) * mask), dim=1)


class ChannelReversal(nn.Module):
    """Reverse the order of the channels, so that both halves get their turn; its own inverse."""

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Reverse x [B, C, T]; mask and style are there to share one signature with the couplings."""
        return x.flip(1)

    def inverse(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Undo `forward`."""
        return x.flip(1)


class Flow(nn.Module):
    """Blocks of a coupling and a reversal."""

    def __init__(self, channels: int, hidden_channels: int, blocks: int, layers: int, style_channels: int) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(blocks):
            self.flows.append(MeanCoupling(channels, hidden_channels, layers, style_channels))
            self.flows.append(ChannelReversal())

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Map a posterior latent x [B, C, T] to the prior's space; mask [B, 1, T], style [B, gin, 1]."""
        for step in self.flows:
            x = step(x, mask, style)
        return x

    def inverse(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Map a sample of the prior to the decoder's latent; arguments as in `forward`."""
        for step in reversed(self.flows):
            assert isinstance(step, MeanCoupling | ChannelReversal)
            x = step.inverse(x, mask, style)
        return x
