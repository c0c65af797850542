"""Convolutions with weight normalisation, stored under the classic names `weight_g` and `weight_v`.

w = g · v / ‖v‖ (Salimans & Kingma, 2016), the norm taken over all dimensions but the first, for transposed
convolutions too. torch's own replacement stores other names, which published checkpoints do not use.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _split_weight(convolution: nn.Module) -> None:
    """Replace `weight` by a magnitude `weight_g` and a direction `weight_v` of equal product."""
    weight = convolution.weight
    assert isinstance(weight, nn.Parameter)
    direction = weight.detach()
    magnitude = direction.flatten(1).norm(dim=1).view(-1, *(1,) * (direction.dim() - 1))
    del convolution.weight
    convolution.register_parameter("weight_g", nn.Parameter(magnitude))
    convolution.register_parameter("weight_v", nn.Parameter(direction))


def _weight_of(convolution: nn.Module) -> Tensor:
    """Return the weight in use: composed while normalised, stored once folded."""
    stored = convolution._parameters.get("weight")
    if stored is not None:
        return stored
    return torch._weight_norm(convolution.weight_v, convolution.weight_g, 0)  # type: ignore[arg-type]


class WeightNormConv1d(nn.Conv1d):
    """nn.Conv1d with a normalised weight; takes the same arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _split_weight(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x [B, C_in, T] into [B, C_out, T']."""
        y: Tensor = self._conv_forward(x, _weight_of(self), self.bias)
        return y


class WeightNormConv2d(nn.Conv2d):
    """nn.Conv2d with a normalised weight; takes the same arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _split_weight(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x [B, C_in, H, W] into [B, C_out, H', W']."""
        y: Tensor = self._conv_forward(x, _weight_of(self), self.bias)
        return y


class WeightNormConvTranspose1d(nn.ConvTranspose1d):
    """nn.ConvTranspose1d with a normalised weight; takes the same arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _split_weight(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Up-sample x [B, C_in, T] into [B, C_out, T']; `output_size` is not used."""
        assert not isinstance(self.padding, str)
        return F.conv_transpose1d(
            x, _weight_of(self), self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


_NORMALISED = (WeightNormConv1d, WeightNormConv2d, WeightNormConvTranspose1d)


def fold_weight_norm(root: nn.Module) -> None:
    """Store the composed weights of every normalised convolution below `root`, for faster inference.

    Outputs stay the same to the bit. The state dict then holds `weight` where it held `weight_g` and `weight_v`.
    Folding twice is harmless.
    """
    for module in root.modules():
        if isinstance(module, _NORMALISED) and "weight_v" in module._parameters:
            weight = _weight_of(module).detach()
            del module.weight_g, module.weight_v
            module.weight = nn.Parameter(weight)
