"""ERes2NetV2 speaker encoder (Chen et al. 2024): a log-mel filterbank to a vector that tells speakers apart.

The vector is taken before the pooling and projection of the published network; their parameters are kept, because
published weights have them. Shapes: B batch, C channels, F frequency bands, T frames of 10 ms.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BASE_WIDTH = 24
_SCALE = 4
_EXPANSION = 4
_STEM_CHANNELS = 64
_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Planes, blocks and stride of the four stages."""
_CEILING = 20.0
MEL_BANDS = 80
EMBEDDING_CHANNELS = 20_480


def _clipped(x: Tensor) -> Tensor:
    return x.clamp(0.0, _CEILING)


class AttentionalFusion(nn.Module):
    """Weigh two feature maps [B, C, F, T] against each other, place by place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x and y mixed, [B, C, F, T]."""
        share: Tensor = 1.0 + torch.tanh(self.local_att(torch.cat([x, y], dim=1)))
        return x * share + y * (2.0 - share)


class Res2Block(nn.Module):
    """Bottleneck whose middle works on four groups of channels in turn, each hearing the one before it."""

    def __init__(self, channels: int, planes: int, stride: int, *, fused: bool) -> None:
        """`fused`: groups are joined by attention instead of a sum."""
        super().__init__()
        width = planes * _BASE_WIDTH // 64
        wide, out = width * _SCALE, planes * _EXPANSION
        self.conv1 = nn.Conv2d(channels, wide, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(_SCALE))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(_SCALE))
        if fused:
            self.fuse_models = nn.ModuleList(AttentionalFusion(width) for _ in range(_SCALE - 1))
        self.conv3 = nn.Conv2d(wide, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
        self.fused = fused

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """[B, channels, F, T] → [B, 4 · planes, F', T'] under a mask [B, 1, 1, T'] of the frames that come out"""
        groups = _clipped(self.bn1(self.conv1(x))).chunk(_SCALE, dim=1)
        made: list[Tensor] = []
        for index, (own, convolution, norm) in enumerate(zip(groups, self.convs, self.bns, strict=True)):
            if made:
                own = self.fuse_models[index - 1](made[-1], own) if self.fused else made[-1] + own
            made.append(_clipped(norm(convolution(own * mask))))
        return _clipped(self.bn3(self.conv3(torch.cat(made, dim=1))) + self.shortcut(x))


class Stage(nn.ModuleList):
    """Blocks one behind the other, of which the first may take every second place only."""

    def __init__(self, channels: int, planes: int, blocks: int, stride: int, *, fused: bool) -> None:
        out = planes * _EXPANSION
        first = Res2Block(channels, planes, stride, fused=fused)
        super().__init__([first, *(Res2Block(out, planes, 1, fused=fused) for _ in range(blocks - 1))])
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[B, channels, F, T] and its mask [B, 1, 1, T] → [B, 4 · planes, F', T'] and the mask of that"""
        mask = mask[..., :: self.stride]
        for block in self:
            x = block(x, mask)
        return x, mask


class ERes2NetV2(nn.Module):
    """The encoder with the sizes of the public checkpoint. Call `eval()` first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, _STEM_CHANNELS, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM_CHANNELS)
        channels = _STEM_CHANNELS
        stages: list[Stage] = []
        for number, (planes, blocks, stride) in enumerate(_STAGES):
            stages.append(Stage(channels, planes, blocks, stride, fused=number >= 2))
            channels = planes * _EXPANSION
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.layer3_ds = nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False)
        self.fuse34 = AttentionalFusion(channels)
        self.seg_1 = nn.Linear(2 * EMBEDDING_CHANNELS, 192)

    def forward(self, filterbank: Tensor, lengths: Tensor) -> Tensor:
        """Return embeddings [B, 20480] of log-mel filterbanks [B, T, 80], zero behind their lengths int64 [B].

        Padding is never heard: what a convolution along time reads is zero there, as it is beyond the end of a clip.
        """
        mask = (torch.arange(filterbank.shape[1], device=filterbank.device) < lengths[:, None])[:, None, None].float()
        x = torch.relu(self.bn1(self.conv1(filterbank.mT.unsqueeze(1))))
        x, mask = self.layer2(*self.layer1(x, mask))
        third, third_mask = self.layer3(x, mask)
        fourth, mask = self.layer4(third, third_mask)
        fused: Tensor = self.fuse34(fourth, self.layer3_ds(third * third_mask))
        mean: Tensor = (fused * mask).flatten(1, 2).sum(dim=-1) / mask.flatten(1, 2).sum(dim=-1)
        return mean
