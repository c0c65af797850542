"""The SoVITS networks give the public numbers with the public layout of weights."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from GPT_SoVITS.families import family
from GPT_SoVITS.losses import adversarial_loss, discriminator_loss, feature_matching_loss, kl_loss, mel_loss
from GPT_SoVITS.mel import mel_from_spectrogram, mel_spectrogram
from GPT_SoVITS.models.discriminator import SovitsDiscriminator
from GPT_SoVITS.models.sovits import SovitsBatch, SovitsModel, SovitsOutput, slice_frames
from tests.engine.golden import assert_close, filled_state, golden_file

STREAM_OVERLAP_FRAMES = 4
SLOW = pytest.mark.slow
VERSIONS = ["v1", "v2", "v2Pro", "v2ProPlus"]
DISCRIMINATORS = {"v1": "s2d_v2", "v2": "s2d_v2", "v2Pro": "s2d_v2ProPlus", "v2ProPlus": "s2d_v2ProPlus"}


def _only_v2_is_fast() -> list[object]:
    return [version if version == "v2" else pytest.param(version, marks=SLOW) for version in VERSIONS]


def _generator(version: str) -> SovitsModel:
    known = family(version)
    model = SovitsModel(known.sovits, known.audio)
    model.load_state_dict(filled_state(f"s2_{version}"))
    return model.eval()


def _discriminator(version: str) -> SovitsDiscriminator:
    model = SovitsDiscriminator(family(version).sovits)
    model.load_state_dict(filled_state(DISCRIMINATORS[version]))
    return model.eval()


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/s2_common_inputs.safetensors"))


class Decoding:
    """A generator with the inputs and expected outputs of its decoding."""

    def __init__(self, version: str, inputs: dict[str, Tensor]) -> None:
        self.model = _generator(version)
        self.expected = load_file(golden_file(f"vectors/s2_{version}_decode.safetensors"))
        self.inputs = inputs
        self.phones = inputs["in.phones_v1" if version == "v1" else "in.phones"]

    def vector(self, name: str) -> Tensor | None:
        return self.inputs[f"in.sv_emb_{name}"] if self.model.takes_speaker_vector else None

    def style(self, name: str) -> Tensor:
        return self.model.style(self.inputs[f"in.refer_{name}"], self.vector(name))

    def wave(self, *names: str, speed: float = 1.0, noise: Tensor | None = None) -> Tensor:
        vectors = [vector for vector in map(self.vector, names) if vector is not None] or None
        whole = 2 * self.inputs["in.codes"].shape[2]
        frames = whole if speed == 1.0 else int(whole / speed) + 1
        return self.model.decode(
            self.inputs["in.codes"],
            self.phones,
            [self.inputs[f"in.refer_{name}"] for name in names],
            vectors,
            speed=speed,
            noise=torch.zeros(1, 192, frames) if noise is None else noise,
        )


@pytest.fixture(scope="module", params=_only_v2_is_fast())
def decoding(request: pytest.FixtureRequest, inputs: dict[str, Tensor]) -> Decoding:
    return Decoding(request.param, inputs)


def test_codes_are_the_public_ones(decoding: Decoding) -> None:
    codes = decoding.model.extract_codes(decoding.inputs["in.ssl_extract"])
    assert codes.dtype == torch.int64
    assert torch.equal(codes, decoding.expected["out.codes"])


def test_code_rows_are_the_public_ones(decoding: Decoding) -> None:
    rows = decoding.model.quantizer.decode(decoding.inputs["in.codes"])
    assert_close(rows[:, ::16], decoding.expected["out.quantized"])


def test_timbres_are_the_public_ones(decoding: Decoding) -> None:
    with torch.no_grad():
        style_a, style_b = decoding.style("a"), decoding.style("b")
    assert_close(style_a, decoding.expected["out.ge_a"])
    assert_close(style_b, decoding.expected["out.ge_b"])
    assert_close((style_a + style_b) / 2, decoding.expected["out.ge_mean"])


@pytest.mark.parametrize("speed", [1.0, 1.3])
def test_prior_and_flow_are_the_public_ones(decoding: Decoding, speed: float) -> None:
    model, suffix = decoding.model, "" if speed == 1.0 else f"_speed{speed}"
    with torch.no_grad():
        style = decoding.style("a")
        content = model.quantizer.decode(decoding.inputs["in.codes"]).repeat_interleave(2, dim=2)
        mask, text_mask = torch.ones(1, 1, content.shape[2]), torch.ones(1, 1, decoding.phones.shape[1])
        text_style = model.ge_to512(style.mT).mT if model.takes_speaker_vector else style
        latent = model.enc_p.latent(content, mask, decoding.phones, text_mask, text_style)
        prior = model.enc_p.prior(latent, mask, speed)
        back = model.flow.inverse(prior.mean, prior.mask, style)
        again = model.flow(back, prior.mask, style)
    assert_close(prior.mean, decoding.expected[f"out.m_p{suffix}"])
    assert_close(prior.log_scale, decoding.expected[f"out.logs_p{suffix}"])
    assert_close(back, decoding.expected[f"out.flow_reverse_of_m_p{suffix}"])
    assert_close(again, prior.mean)


def test_waves_are_the_public_ones(decoding: Decoding) -> None:
    expected = decoding.expected
    assert_close(decoding.wave("a"), expected["out.wav"])
    assert_close(decoding.wave("a", speed=1.3), expected["out.wav_speed1.3"])
    assert_close(decoding.wave("a", "b"), expected["out.wav_two_refs"])
    assert_close(decoding.wave("a", noise=decoding.inputs["in.decode_noise"]), expected["out.wav_noise0.5"])


def test_streamed_chunks_are_the_public_ones(decoding: Decoding) -> None:
    model, expected, codes = decoding.model, decoding.expected, decoding.inputs["in.codes"]
    latents = expected["out.stream_latent1"], expected["out.stream_latent2"]
    first_codes, last_codes = (latent.shape[2] // 2 for latent in latents)
    with torch.no_grad():
        style = decoding.style("a")
    first = model.decode_chunk(codes[:, :, :first_codes], decoding.phones, style, noise=torch.zeros_like(latents[0]))
    assert_close(first.latent, latents[0])
    assert_close(first.wave, expected["out.stream_wav1"])
    second = model.decode_chunk(
        codes,
        decoding.phones,
        style,
        last_codes=last_codes,
        overlap=first.latent[:, :, -STREAM_OVERLAP_FRAMES:],
        noise=torch.zeros_like(latents[1]),
    )
    assert_close(second.latent, latents[1])
    assert_close(second.wave, expected["out.stream_wav2"])


def _training_batch(version: str, inputs: dict[str, Tensor]) -> SovitsBatch:
    return SovitsBatch(
        ssl=inputs["in.train_ssl"],
        spectrogram=inputs["in.train_spec"],
        spectrogram_lengths=inputs["in.train_spec_lengths"],
        phones=inputs["in.train_text_v1" if version == "v1" else "in.train_text"],
        phones_lengths=inputs["in.train_text_lengths"],
        speaker_vectors=inputs["in.train_sv_emb"] if "Pro" in version else None,
    )


def _assert_output(output: SovitsOutput, expected: dict[str, Tensor]) -> None:
    assert_close(output.wave, expected["out.o"])
    assert_close(output.posterior_sample, expected["out.z"])
    assert_close(output.prior_sample, expected["out.z_p"])
    assert_close(output.prior_mean, expected["out.m_p"])
    assert_close(output.prior_log_scale, expected["out.logs_p"])
    assert_close(output.posterior_mean, expected["out.m_q"])
    assert_close(output.posterior_log_scale, expected["out.logs_q"])
    assert torch.equal(output.mask, expected["out.z_mask"])


def _assert_gradient_norms(model: nn.Module, expected: Tensor, names: list[str]) -> None:
    parameters = dict(model.named_parameters())
    assert set(names) == set(parameters)
    largest = expected.nan_to_num().max()
    for name, norm in zip(names, expected, strict=True):
        gradient = parameters[name].grad
        assert (gradient is None) == bool(norm.isnan()), name
        if gradient is not None:
            assert (gradient.norm() - norm).abs() <= 1e-2 * norm + 1e-4 * largest, name


def _discriminator_loss(discriminator: SovitsDiscriminator, real: Tensor, fake: Tensor) -> Tensor:
    judged_real, judged_fake = discriminator(real), discriminator(fake.detach())
    return discriminator_loss([j.score for j in judged_real], [j.score for j in judged_fake])


def _generator_losses(
    discriminator: SovitsDiscriminator, output: SovitsOutput, real: Tensor, mels: tuple[Tensor, Tensor]
) -> list[Tensor]:
    judged_real, judged_fake = discriminator(real), discriminator(output.wave)
    return [
        adversarial_loss([j.score for j in judged_fake]),
        feature_matching_loss([j.feature_maps for j in judged_real], [j.feature_maps for j in judged_fake]),
        mel_loss(*mels),
        kl_loss(
            output.prior_sample, output.posterior_log_scale, output.prior_mean, output.prior_log_scale, output.mask
        ),
    ]


@SLOW
@pytest.mark.parametrize("version", VERSIONS)
def test_a_training_step_has_the_public_outputs_losses_and_gradients(version: str, inputs: dict[str, Tensor]) -> None:
    path = golden_file(f"vectors/s2_{version}_train.safetensors")
    expected, audio = load_file(path), family(version).audio
    with safe_open(path, "pt") as file:
        names = {kind: json.loads(file.metadata()[f"grad_norm_{kind}_names"]) for kind in "gd"}
    generator, discriminator = _generator(version), _discriminator(version)
    starts = inputs["in.train_ids_slice"]

    output = generator(_training_batch(version, inputs), noise=inputs["in.train_noise"], slice_starts=starts)

    _assert_output(output, expected)
    frames = generator.slice_length_frames
    real = slice_frames(inputs["in.train_wav"], starts * audio.hop_samples, frames * audio.hop_samples)
    real_mel = slice_frames(mel_from_spectrogram(inputs["in.train_spec"], audio), starts, frames)
    fake_mel = mel_spectrogram(output.wave.squeeze(1), audio)
    assert_close(real_mel, expected["out.y_mel"])
    assert_close(fake_mel, expected["out.y_hat_mel"], tolerance=2e-4)

    own_loss = _discriminator_loss(discriminator, real, output.wave)
    own_loss.backward()
    _assert_gradient_norms(discriminator, expected["out.grad_norm_d"], names["d"])
    losses = _generator_losses(discriminator, output, real, (real_mel, fake_mel))
    total = torch.stack(losses).sum()
    total.backward()
    _assert_gradient_norms(generator, expected["out.grad_norm_g"], names["g"])
    measured = torch.stack([own_loss, *losses, total]).detach()
    assert torch.allclose(measured, expected["out.losses"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("version", _only_v2_is_fast()[1:4:2])
def test_judgements_are_the_public_ones(version: str) -> None:
    vectors = load_file(golden_file(f"vectors/{DISCRIMINATORS[version]}.safetensors"))
    discriminator = _discriminator(version)
    with torch.no_grad():
        judgements = {"real": discriminator(vectors["in.y"]), "fake": discriminator(vectors["in.y_hat"])}
    for kind, judged in judgements.items():
        for index, judgement in enumerate(judged):
            assert_close(judgement.score, vectors[f"out.{kind}.{index}"])
            _assert_feature_maps(judgement.feature_maps, vectors, f"out.fmap_{kind}.{index}")
    scores = {kind: [j.score for j in judged] for kind, judged in judgements.items()}
    maps = {kind: [j.feature_maps for j in judged] for kind, judged in judgements.items()}
    losses = {
        "disc": discriminator_loss(scores["real"], scores["fake"]),
        "gen": adversarial_loss(scores["fake"]),
        "feature": feature_matching_loss(maps["real"], maps["fake"]),
    }
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(vectors[f"out.{name}_loss"].item(), rel=1e-5)
    each = vectors["out.disc_loss_real"] + vectors["out.disc_loss_fake"]
    for real, fake, own, fooled in zip(scores["real"], scores["fake"], each, vectors["out.gen_loss_each"], strict=True):
        assert discriminator_loss([real], [fake]).item() == pytest.approx(own.item(), rel=1e-5)
        assert adversarial_loss([fake]).item() == pytest.approx(fooled.item(), rel=1e-5)


def _assert_feature_maps(maps: tuple[Tensor, ...], vectors: dict[str, Tensor], prefix: str) -> None:
    samples, stats = vectors[f"{prefix}.sample"], vectors[f"{prefix}.stats"]
    assert len(maps) == len(samples)
    for feature_map, sample, (mean, deviation, largest, count) in zip(maps, samples, stats.tolist(), strict=True):
        flat = feature_map.flatten()
        assert flat.numel() == count
        taken = flat[:: max(1, flat.numel() // 32)][:32]
        tolerance = 1e-4 * deviation
        assert (taken - sample[: taken.numel()]).abs().max() <= tolerance
        assert flat.mean().item() == pytest.approx(mean, abs=tolerance)
        assert flat.std().item() == pytest.approx(deviation, rel=1e-4)
        assert flat.abs().max().item() == pytest.approx(largest, abs=tolerance)
