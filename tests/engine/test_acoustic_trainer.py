"""What the sound of a direct family is made from: codes that may be missing, and phones with their places."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.models.sovits import SovitsModel
from GPT_SoVITS.training.acoustic_trainer import FRAMES_PER_CODE, AcousticItem, AcousticTrainee, collate
from GPT_SoVITS.training.direct_trainer import Schedule
from tests.engine.test_train_base import tiny_nano

FAMILY = tiny_nano()
CODES = 12
SCHEDULE = Schedule(learning_rate=3e-3, total_updates=100, warmup_updates=1, batch_codes=1000)


@pytest.fixture
def model() -> SovitsModel:
    torch.manual_seed(0)
    model = SovitsModel(FAMILY.sovits, FAMILY.audio)
    model.quantizer.codebook.embed.normal_()
    model.quantizer.codebook.inited.fill_(1)
    model.aligner.emission.copy_(torch.randn_like(model.aligner.emission).log_softmax(dim=1))
    return model.eval()


def _item(number: int) -> AcousticItem:
    generator = torch.Generator().manual_seed(number)
    frames = FRAMES_PER_CODE * CODES
    return AcousticItem(
        f"clip {number}",
        torch.randint(10, 60, (5,), generator=generator),
        torch.randint(0, 64, (CODES,), generator=generator),
        torch.randn(FAMILY.audio.mel_bands, 2 * CODES, generator=generator),
        torch.full((frames,), 150.0),
        torch.ones(frames),
        torch.randn(80, frames, generator=generator),
        torch.rand(6, frames, generator=generator),
    )


def _trainee(model: SovitsModel, **changes: float) -> AcousticTrainee:
    items = [_item(number) for number in range(4)]
    return AcousticTrainee(model, items, items[:1], replace(SCHEDULE, **changes), choose_compute("cpu"))


def test_what_is_not_heard_makes_no_difference_and_what_is_heard_does(model: SovitsModel) -> None:
    items = [_item(0), _item(1)]
    batch = collate(items, _trainee(model).alignments, crop=False)
    model.eval()
    others = replace(batch, codes=(batch.codes + 7) % 64)
    unheard = torch.zeros(2, dtype=torch.bool)
    with torch.inference_mode():
        heard = [model.predict(each).envelope for each in (batch, others)]
        silent = [model.predict(replace(each, heard=unheard)).envelope for each in (batch, others)]
    assert not torch.allclose(heard[0], heard[1], atol=1e-3)
    assert torch.equal(silent[0], silent[1])


def test_the_places_that_were_chosen_with_the_codes_count(model: SovitsModel) -> None:
    item = _item(0)
    style = torch.zeros(1, FAMILY.sovits.gin_channels, 1)
    codes, phones = item.codes.view(1, 1, -1), item.phones[None]
    chosen = torch.arange(CODES)[None] * 5 // CODES
    with torch.inference_mode():
        found = model.aligner(phones, torch.tensor([5]), codes[0], torch.tensor([CODES]), open_end=True)
        latents = [model.direct_latent(codes, phones, style, places) for places in (None, found, chosen)]
    assert torch.equal(latents[0], latents[1])
    assert not torch.equal(found, chosen)
    assert not torch.allclose(latents[1], latents[2], atol=1e-3)


def test_a_share_of_the_clips_is_learnt_unheard_and_all_are_judged_heard(
    model: SovitsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    original = SovitsModel.predict

    def watched(self: SovitsModel, batch: object) -> object:
        seen.append(batch.heard)  # type: ignore[attr-defined]
        return original(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(SovitsModel, "predict", watched)
    trainee = _trainee(model, unheard_share=0.5)
    torch.manual_seed(3)
    for _ in range(100):
        trainee.parts(trainee.items, training=True)
    assert 0.4 < float(torch.cat(seen).float().mean()) < 0.6
    seen.clear()
    trainee.judge(1)
    assert torch.cat(seen).all()


def test_training_lowers_every_part_of_the_loss(model: SovitsModel) -> None:
    trainee = _trainee(model, unheard_share=0.5, misheard_share=0.4)
    first = trainee.judge(0)
    for number in range(60):
        losses = trainee.train(0, number, [0, 1, 2, 3])
        assert all(math.isfinite(value) for value in losses.values())
    last = trainee.judge(1)
    assert all(last[name] < first[name] for name in ("envelope", "voicing"))
