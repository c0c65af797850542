"""The training losses agree with the public ones and with their definitions."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from GPT_SoVITS.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from tests.engine.golden import golden_file


@pytest.fixture(scope="module")
def vectors() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/losses.safetensors"))


def _list(vectors: dict[str, Tensor], prefix: str) -> list[Tensor]:
    return [vectors[name] for name in sorted(vectors) if name.startswith(f"{prefix}.")]


def _maps(vectors: dict[str, Tensor], kind: str) -> list[list[Tensor]]:
    return [_list(vectors, f"in.fmap_{kind}.{index}") for index in range(2)]


def test_discriminator_loss_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    real, fake = _list(vectors, "in.d_real"), _list(vectors, "in.d_fake")
    assert discriminator_loss(real, fake).item() == pytest.approx(vectors["out.disc"].item(), rel=1e-5)


def test_adversarial_loss_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    fake = _list(vectors, "in.d_fake")
    assert adversarial_loss(fake).item() == pytest.approx(vectors["out.gen"].item(), rel=1e-5)


def test_each_discriminator_adds_the_public_part(vectors: dict[str, Tensor]) -> None:
    real, fake = _list(vectors, "in.d_real"), _list(vectors, "in.d_fake")
    for number, (own_real, own_fake) in enumerate(zip(real, fake, strict=True)):
        parts = vectors["out.disc_real_each"][number] + vectors["out.disc_fake_each"][number]
        assert discriminator_loss([own_real], [own_fake]).item() == pytest.approx(parts.item(), rel=1e-5)
        assert adversarial_loss([own_fake]).item() == pytest.approx(vectors["out.gen_each"][number].item(), rel=1e-5)


def test_feature_matching_loss_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    loss = feature_matching_loss(_maps(vectors, "real"), _maps(vectors, "fake"))
    assert loss.item() == pytest.approx(vectors["out.feature"].item(), rel=1e-5)


def test_kl_loss_is_the_public_one(vectors: dict[str, Tensor]) -> None:
    loss = kl_loss(*(vectors[f"in.{name}"] for name in ("z_p", "logs_q", "m_p", "logs_p", "mask")))
    assert loss.item() == pytest.approx(vectors["out.kl"].item(), rel=1e-5)


def test_a_perfect_discriminator_has_no_loss_and_fools_nobody() -> None:
    real, fake = [torch.ones(2, 5)], [torch.zeros(2, 5)]
    assert discriminator_loss(real, fake).item() == 0
    assert adversarial_loss(fake).item() == 1


def test_feature_matching_teaches_only_the_generated_side() -> None:
    real, fake = torch.ones(1, 2, 3, requires_grad=True), torch.zeros(1, 2, 3, requires_grad=True)
    feature_matching_loss([[real]], [[fake]]).backward()
    assert real.grad is None and fake.grad is not None


def test_losses_of_half_precision_inputs_are_single_precision() -> None:
    half = torch.ones(1, 4, dtype=torch.float16)
    assert adversarial_loss([half]).dtype == torch.float32
    assert mel_loss(half, half).dtype == torch.float32


def test_padded_frames_do_not_count_in_the_kl_loss() -> None:
    latents = [torch.randn(1, 3, 4) for _ in range(4)]
    mask = torch.tensor([[[1.0, 1.0, 0.0, 0.0]]])
    spoiled = [torch.cat((x[..., :2], x[..., 2:] + 1), dim=2) for x in latents]
    assert kl_loss(*latents, mask).item() == pytest.approx(kl_loss(*spoiled, mask).item())


def test_the_mel_loss_is_45_times_the_mean_difference() -> None:
    assert mel_loss(torch.zeros(1, 2, 3), torch.full((1, 2, 3), 0.5)).item() == pytest.approx(22.5)
