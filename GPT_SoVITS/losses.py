"""Losses of SoVITS training, all in float32 (least-squares GAN as HiFi-GAN has it, KL as VITS has it)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

MEL_WEIGHT = 45.0
"""Factor of the mel loss in the generator's total; all others count once."""
FEATURE_WEIGHT = 2.0


def _total(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(terms)).sum()


def discriminator_loss(real_scores: Sequence[Tensor], fake_scores: Sequence[Tensor]) -> Tensor:
    """Sum over discriminators of mean (1 - D(real))² + mean D(fake)²; scores [B, positions] each."""
    return _total(
        [
            (1 - real.float()).square().mean() + fake.float().square().mean()
            for real, fake in zip(real_scores, fake_scores, strict=True)
        ]
    )


def adversarial_loss(fake_scores: Sequence[Tensor]) -> Tensor:
    """Sum over discriminators of mean (1 - D(fake))²; scores [B, positions] each."""
    return _total([(1 - fake.float()).square().mean() for fake in fake_scores])


def feature_matching_loss(real_maps: Sequence[Sequence[Tensor]], fake_maps: Sequence[Sequence[Tensor]]) -> Tensor:
    """Twice the sum of mean absolute differences over all feature maps; no gradient goes to the real ones."""
    terms = [
        F.l1_loss(fake.float(), real.detach().float())
        for reals, fakes in zip(real_maps, fake_maps, strict=True)
        for real, fake in zip(reals, fakes, strict=True)
    ]
    return FEATURE_WEIGHT * _total(terms)


def kl_loss(
    prior_sample: Tensor,
    posterior_log_scale: Tensor,
    prior_mean: Tensor,
    prior_log_scale: Tensor,
    mask: Tensor,
    frames: int | None = None,
) -> Tensor:
    """Divergence of posterior from prior, estimated at one sample: summed over channels, mean over valid frames.

    Args:
        prior_sample: the posterior's sample after the flow, [B, C, T].
        posterior_log_scale, prior_mean, prior_log_scale: [B, C, T].
        mask: [B, 1, T], 1 where valid.
        frames: valid frames of the whole batch, where this is a part of one; None: those of the mask.
    """
    sample, log_q, mean, log_p, mask = (
        x.float() for x in (prior_sample, posterior_log_scale, prior_mean, prior_log_scale, mask)
    )
    divergence = log_p - log_q - 0.5 + 0.5 * (sample - mean).square() * torch.exp(-2 * log_p)
    return (divergence * mask).sum() / (mask.sum() if frames is None else frames)


def mel_loss(real_mel: Tensor, fake_mel: Tensor) -> Tensor:
    """Weighted mean absolute difference of two log-mel slices [B, bands, T]."""
    return MEL_WEIGHT * F.l1_loss(fake_mel.float(), real_mel.float())
