"""Reading a text in step with its codes: the aligner, the pointer, and generation by them."""

from __future__ import annotations

import math
from dataclasses import replace

import jiwer
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.models.aligner import LARGEST_STEP, PhoneAligner, best_paths
from GPT_SoVITS.models.semantic_generation import GenerationOptions, SemanticText
from GPT_SoVITS.models.text_encoder import phone_timing
from GPT_SoVITS.models.text_pointer import rests
from GPT_SoVITS.models.text_to_semantic import PointedBatch, TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.training.alignment import Alignments, misheard
from GPT_SoVITS.training.base.alignment import Spoken, fit_aligner, refine_aligner
from GPT_SoVITS.training.direct_trainer import Schedule
from GPT_SoVITS.training.gpt_data import GptItem
from GPT_SoVITS.training.pointed_trainer import PointedTrainee

SMALL = replace(
    FAMILIES[FamilyName.NANO].gpt, embedding_dim=48, hidden_dim=48, head=2, n_layer=2, ffn_dim=96, p_dropout=0.0
)


def _spoken(seed: int) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Return phones, codes and the place of each code's phone, of a language where phone p sounds as 2 p or 2 p + 1."""
    generator = torch.Generator().manual_seed(seed)
    phones = torch.randint(10, 40, (8,), generator=generator)
    lengths = torch.randint(1, 5, (8,), generator=generator)
    places = torch.arange(8).repeat_interleave(lengths)
    codes = 2 * phones[places] + torch.randint(0, 2, places.shape, generator=generator)
    return phones, codes, places.tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 10_000), st.booleans())
def test_a_path_never_falls_and_never_leaps(phones: int, codes: int, seed: int, open_end: bool) -> None:
    scores = torch.randn(1, codes, phones, generator=torch.Generator().manual_seed(seed))
    path = best_paths(scores, torch.tensor([phones]), torch.tensor([codes]), open_end=open_end)[0]
    assert path.shape == (codes,)
    assert 0 <= int(path[0]) <= LARGEST_STEP
    assert int(path.max()) < phones
    steps = path.diff()
    assert ((steps >= 0) & (steps <= LARGEST_STEP)).all()
    if not open_end and codes > phones:
        assert int(path[-1]) >= phones - 1 - LARGEST_STEP


def test_padding_does_not_change_a_path() -> None:
    scores = torch.randn(1, 20, 7, generator=torch.Generator().manual_seed(3))
    alone = best_paths(scores[:, :15, :5], torch.tensor([5]), torch.tensor([15]))
    padded = best_paths(scores, torch.tensor([5]), torch.tensor([15]))
    assert torch.equal(alone[0], padded[0, :15])
    assert (padded[0, 15:] == padded[0, 14]).all()


def test_an_aligner_that_listened_to_a_corpus_finds_the_phones() -> None:
    corpus = [_spoken(seed) for seed in range(60)]
    aligner = PhoneAligner(50, 100)
    fit_aligner(aligner, [phones for phones, _, _ in corpus], [codes for _, codes, _ in corpus])
    right = total = 0
    for phones, codes, places in (_spoken(seed) for seed in range(100, 110)):
        found = aligner(phones[None], torch.tensor([8]), codes[None], torch.tensor([len(codes)]))[0].tolist()
        # Two equal phones side by side cannot be told apart.
        right += sum(int(phones[a]) == int(phones[b]) for a, b in zip(found, places, strict=True))
        total += len(places)
    assert right / total > 0.95


def test_content_frames_find_the_borders_that_codes_leave_open() -> None:
    """The codes of a phone are shared with all others; its content frames are not."""
    texts, codes, content, truth = [], [], [], []
    for seed in range(80):
        phones, _, places = _spoken(seed)
        place = torch.tensor(places)
        generator = torch.Generator().manual_seed(seed)
        texts.append(phones)
        truth.append(place)
        # half of the codes tell their phone, the others nothing
        told = torch.rand(place.shape, generator=generator) < 0.5
        codes.append(torch.where(told, 2 * phones[place], torch.randint(90, 100, place.shape, generator=generator)))
        frames = torch.nn.functional.one_hot(phones[place], 50).repeat_interleave(2, dim=0).float()
        content.append((frames + 0.3 * torch.randn(frames.shape, generator=generator)).half())
    aligner = PhoneAligner(50, 100)
    fit_aligner(aligner, texts, codes)
    coarse = aligner.emission.clone()
    refine_aligner(aligner, Spoken(texts, codes, content), seed=1)

    def likelihood(table: torch.Tensor) -> float:
        told = [table[text[place], code] for text, place, code in zip(texts, truth, codes, strict=True)]
        return float(torch.cat(told).mean())

    assert likelihood(aligner.emission) > likelihood(coarse) + 0.01


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_rests_and_timings_count_from_the_borders_of_each_phone(lengths: list[int]) -> None:
    places = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))[None]
    before = [index for length in lengths for index in range(length)]
    after = [length - 1 - index for length in lengths for index in range(length)]
    assert rests(places)[0].tolist() == before
    timing = phone_timing(places)[0]
    assert timing[0].expm1().round().tolist() == before
    assert timing[1].expm1().round().tolist() == after
    assert torch.allclose(timing[3], timing[:2].expm1().sum(dim=0).log1p())
    assert ((timing[2] > 0) & (timing[2] < 1)).all()


@pytest.fixture(scope="module")
def trained() -> TextToSemantic:
    torch.manual_seed(0)
    model = TextToSemantic(SMALL)
    corpus = [_spoken(seed) for seed in range(1000, 1600)]
    fit_aligner(model.pointer.aligner, [phones for phones, _, _ in corpus], [codes for _, codes, _ in corpus])
    items = [GptItem(str(n), phones, codes, len(codes) / 25) for n, (phones, codes, _) in enumerate(corpus)]
    schedule = Schedule(learning_rate=3e-3, total_updates=400, warmup_updates=10, batch_codes=300)
    trainee = PointedTrainee(model, items[8:], items[:8], schedule, choose_compute("cpu"))
    first = trainee.train(0, 0, trainee.batches(0)[0])
    updates = (items for epoch in range(11) for items in trainee.batches(epoch))
    for _, batch in zip(range(400), updates, strict=False):
        last = trainee.train(0, 0, batch)
    assert last["total"] < first["total"] / 3
    trainee.finish(11)
    return model


def _generate(model: TextToSemantic, phones: torch.Tensor, seed: int) -> torch.Tensor:
    text = SemanticText(phones, torch.zeros(SMALL.bert_channels, len(phones)))
    options = GenerationOptions(SamplingOptions(top_k=1), 200)
    made = model.generate(text, None, options, generator=torch.Generator().manual_seed(seed))
    assert made.ended
    assert made.places is not None
    assert made.places.shape == made.codes.shape
    # the place of each code is that of the phone that it was chosen for
    assert (phones[made.places] == made.codes // 2).float().mean() > 0.7
    return made.codes


def test_every_phone_is_said_once_and_in_order(trained: TextToSemantic) -> None:
    errors = total = 0.0
    for seed in range(200, 210):
        phones, _, _ = _spoken(seed)
        said = torch.unique_consecutive(_generate(trained, phones, seed) // 2).tolist()
        wanted = torch.unique_consecutive(phones).tolist()
        errors += jiwer.wer(" ".join(map(str, wanted)), " ".join(map(str, said))) * len(wanted)
        total += len(wanted)
    assert errors / total < 0.3


def test_a_seed_repeats_itself(trained: TextToSemantic) -> None:
    phones, _, _ = _spoken(7)
    assert torch.equal(_generate(trained, phones, 3), _generate(trained, phones, 3))


def test_texts_spoken_together_are_spoken_as_each_alone(trained: TextToSemantic) -> None:
    # given texts of several lengths, one of a single phone
    texts = [_spoken(seed)[0][: 8 - seed % 4] for seed in range(300, 306)] + [torch.tensor([12])]
    semantic = [SemanticText(phones, torch.zeros(SMALL.bert_channels, len(phones))) for phones in texts]
    options = GenerationOptions(SamplingOptions(top_k=5, temperature=2.0), 120)
    # when they are spoken together
    generators: list[torch.Generator | None] = [torch.Generator().manual_seed(seed) for seed in range(7)]
    steps: list[int] = []
    together = trained.generate_batch(semantic, None, options, generators=generators, progress=steps.append)
    # then each has the codes and places that it has alone with the same seed
    for seed, (text, made) in enumerate(zip(semantic, together, strict=True)):
        alone = trained.generate(text, None, options, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(made.codes, alone.codes)
        assert made.places is not None
        assert alone.places is not None
        assert torch.equal(made.places, alone.places)
        assert made.ended == alone.ended
    assert steps == sorted(set(steps))


def test_an_untrained_pointer_still_comes_to_an_end() -> None:
    torch.manual_seed(0)
    model = TextToSemantic(SMALL).eval()
    text = SemanticText(torch.randint(10, 40, (6,)), torch.zeros(1, 6))
    made = model.generate(text, None, GenerationOptions(early_stop_codes=400))
    assert made.codes.numel() <= 400


def test_padding_changes_no_loss() -> None:
    torch.manual_seed(0)
    model = TextToSemantic(SMALL).eval()
    phones, codes, places = _spoken(1)
    batch = PointedBatch(
        phones[None], torch.tensor([8]), codes[None], torch.tensor([len(codes)]), torch.tensor([places]), codes[None]
    )
    wide_codes = torch.nn.functional.pad(batch.codes, (0, 9), value=SMALL.eos)
    padded = replace(
        batch,
        phones=torch.nn.functional.pad(batch.phones, (0, 5)),
        codes=wide_codes,
        places=torch.nn.functional.pad(batch.places, (0, 9)),
        heard=wide_codes,
    )
    assert torch.allclose(model.pointed_losses(batch).loss, model.pointed_losses(padded).loss, atol=1e-4)


def test_a_clip_is_aligned_once_and_as_the_aligner_has_it() -> None:
    corpus = [_spoken(seed) for seed in range(20)]
    aligner = PhoneAligner(50, 100)
    fit_aligner(aligner, [phones for phones, _, _ in corpus], [codes for _, codes, _ in corpus])
    items = [GptItem(str(n), phones, codes, len(codes) / 25) for n, (phones, codes, _) in enumerate(corpus)]
    alignments = Alignments(aligner)
    first = alignments.of(items)
    aligner.emission.zero_()
    assert torch.equal(alignments.of(items[3:5])[0, : len(items[3].codes)], first[3, : len(items[3].codes)])
    right = sum(int((first[n, : len(places)] == torch.tensor(places)).sum()) for n, (_, _, places) in enumerate(corpus))
    assert right > 0.8 * sum(len(places) for _, _, places in corpus)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.integers(0, 10_000))
def test_what_is_misheard_are_other_codes_of_the_same_phone(share: float, seed: int) -> None:
    """Phone p sounds as 2 p or 2 p + 1, so the one can only be taken for the other."""
    phones, codes, places = _spoken(seed)
    emission = torch.full((50, 100), float("-inf"))
    for phone in range(50):
        emission[phone, 2 * phone : 2 * phone + 2] = math.log(0.5)
    torch.manual_seed(seed)
    heard = misheard(codes[None], phones[None], torch.tensor([places]), emission, share)[0]
    assert torch.equal(heard // 2, codes // 2)
    if share == 0:
        assert torch.equal(heard, codes)


def test_a_larger_share_is_misheard_more_often() -> None:
    phones = torch.arange(10, 40)[None].expand(200, -1)
    places = torch.arange(30)[None].expand(200, -1)
    codes = 2 * phones
    emission = torch.full((50, 100), -math.log(100))
    torch.manual_seed(0)
    changed = [float((misheard(codes, phones, places, emission, s) != codes).float().mean()) for s in (0.2, 0.8)]
    assert 0.05 < changed[0] < 0.15
    assert 0.3 < changed[1] < 0.5
