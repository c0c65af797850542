"""Style encoder (`ref_enc`): from a reference spectrogram to one timbre vector (after the Meta-StyleSpeech encoder)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 2
KERNEL_SIZE = 5
P_DROPOUT = 0.1


class _Linear(nn.Module):
    """A linear layer under the name `fc`, as published state dicts have it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Project x [..., inputs]."""
        projected: Tensor = self.fc(x)
        return projected


class _Convolution(nn.Module):
    """A convolution under the name `conv`, as published state dicts have it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, KERNEL_SIZE, padding=KERNEL_SIZE // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x [B, C, T]."""
        convolved: Tensor = self.conv(x)
        return convolved


class GatedConvolution(nn.Module):
    """Residual convolution whose second half of channels gates the first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(channels, 2 * channels)
        self.drop = nn.Dropout(P_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Transform x [B, C, T]."""
        gated: Tensor = x + self.drop(F.glu(self.conv1(x), dim=1))
        return gated


class StyleAttention(nn.Module):
    """Residual self-attention; scores are divided by the root of the whole width, not of a head's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.w_qs = nn.Linear(channels, channels)
        self.w_ks = nn.Linear(channels, channels)
        self.w_vs = nn.Linear(channels, channels)
        self.fc = nn.Linear(channels, channels)
        self.drop = nn.Dropout(P_DROPOUT)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Attend within x [B, T, C] to frames where valid [B, T] (bool) is true."""
        q, k, v = (w(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for w in (self.w_qs, self.w_ks, self.w_vs))
        attended = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=valid[:, None, None, :],
            dropout_p=P_DROPOUT if self.training else 0.0,
            scale=x.shape[-1] ** -0.5,
        )  # [B, H, T, D]
        output: Tensor = x + self.drop(self.fc(attended.transpose(1, 2).flatten(2)))
        return output


class StyleEncoder(nn.Module):
    """`ref_enc`."""

    def __init__(self, spectrogram_channels: int, hidden_channels: int, style_channels: int) -> None:
        super().__init__()
        self.spectral = nn.Sequential(
            _Linear(spectrogram_channels, hidden_channels),
            nn.Mish(),
            nn.Dropout(P_DROPOUT),
            _Linear(hidden_channels, hidden_channels),
            nn.Mish(),
            nn.Dropout(P_DROPOUT),
        )
        self.temporal = nn.Sequential(GatedConvolution(hidden_channels), GatedConvolution(hidden_channels))
        self.slf_attn = StyleAttention(hidden_channels)
        self.fc = _Linear(hidden_channels, style_channels)

    def forward(self, spectrogram: Tensor, mask: Tensor) -> Tensor:
        """Return the timbre [B, gin, 1] of spectrogram [B, bins, T] over the frames where mask [B, 1, T] is 1."""
        hidden = self.spectral((spectrogram * mask).mT)
        # Padded frames hold biases here and reach two convolutions into the last valid frames, as published models do.
        hidden = self.temporal(hidden.mT) * mask
        hidden = self.fc(self.slf_attn(hidden.mT, mask.squeeze(1).bool())).mT * mask
        timbre: Tensor = hidden.sum(dim=2, keepdim=True) / mask.sum(dim=2, keepdim=True)
        return timbre
