"""The text-to-semantic model at a small size: decoding equals the full forward, limits and callbacks hold."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from GPT_SoVITS.families import FAMILIES, FamilyName, GptConfig
from GPT_SoVITS.models import semantic_generation
from GPT_SoVITS.models.semantic_generation import Generation, GenerationOptions, SemanticText
from GPT_SoVITS.models.semantic_step import DecodeStep, store_matrices_by_input
from GPT_SoVITS.models.semantic_transformer import KeyValueCache, visibility
from GPT_SoVITS.models.text_to_semantic import TextToSemantic, padding_mask_left, padding_mask_right
from GPT_SoVITS.sampling import SamplingOptions

SMALL = GptConfig(
    phoneme_vocab_size=40, embedding_dim=32, hidden_dim=32, head=4, n_layer=3, ffn_dim=64, bert_channels=8
)
GREEDY = SamplingOptions(top_k=1)


@pytest.fixture(scope="module")
def model() -> TextToSemantic:
    torch.manual_seed(11)
    network = TextToSemantic(SMALL).eval()
    with torch.no_grad():
        network.ar_predict_layer.weight[SMALL.eos] = 0.0  # ends seldom
    return network


def _text(phones: int, seed: int = 0) -> SemanticText:
    source = torch.Generator().manual_seed(seed)
    return SemanticText(torch.randint(0, 40, (phones,), generator=source), torch.randn(8, phones, generator=source))


def _prompt(codes: int) -> Tensor:
    return torch.randint(0, 1024, (codes,), generator=torch.Generator().manual_seed(1))


def test_cached_greedy_decoding_chooses_what_the_full_forward_chooses(model: TextToSemantic) -> None:
    text, prompt = _text(13), _prompt(7)
    options = GenerationOptions(SamplingOptions(top_k=1, repetition_penalty=1.0), early_stop_codes=300)

    sequence = model.generate(text, prompt, options).sequence

    lengths = torch.tensor([sequence.shape[0]])
    with torch.no_grad():
        embedded = model.embed_text(text.phones[None], text.bert[None])
        hidden = torch.zeros(1, 13, dtype=torch.bool)
        logits, _ = model._predict(embedded, hidden, sequence[None], lengths)
    chosen = logits[0, 7:-1, : SMALL.eos].argmax(-1)
    assert sequence.shape[0] == 308
    assert torch.equal(chosen, sequence[7:])


def test_one_step_equals_the_stack_and_the_way_of_storing_weights_changes_no_value(model: TextToSemantic) -> None:
    source = torch.Generator().manual_seed(3)
    x, new = torch.randn(2, 9, 32, generator=source), torch.randn(2, 1, 32, generator=source)
    hidden = torch.zeros(2, 1, 1, 10, dtype=torch.bool)
    hidden[1, ..., :4] = True
    stored = copy.deepcopy(model)
    store_matrices_by_input(stored)

    with torch.inference_mode():
        expected = model.h(torch.cat([x, new], dim=1), visibility(9, 1, x.device) & ~hidden)[:, -1]
        for network in (model, stored):
            cache = KeyValueCache(network.h, 2, 12)
            network.h(x, visibility(9, 0, x.device) & ~hidden[..., :9], cache)
            mask = torch.zeros(2, 1, 1, 10).masked_fill_(hidden, -torch.inf)
            torch.testing.assert_close(DecodeStep(network.h, cache)(new[:, 0], mask), expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), stored.parameters(), strict=True))


def test_looking_seldom_for_the_end_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    network = TextToSemantic(SMALL).eval()
    texts, prompt, options = [_text(5 + index, index) for index in range(4)], _prompt(5), GenerationOptions()

    def generated() -> list[Generation]:
        return network.generate_batch(
            texts, prompt, options, generators=[torch.Generator().manual_seed(seed) for seed in range(4)]
        )

    often = generated()
    monkeypatch.setattr(semantic_generation, "_STEPS_BETWEEN_LOOKS_ON", {"cpu": 7})
    assert any(result.ended for result in often)
    for one, other in zip(often, generated(), strict=True):
        assert torch.equal(one.sequence, other.sequence) and one.kept == other.kept


def test_texts_spoken_together_give_what_they_give_alone(model: TextToSemantic) -> None:
    texts, prompt = [_text(9, 1), _text(17, 2), _text(4, 3)], _prompt(6)
    options = GenerationOptions(GREEDY, early_stop_codes=60)
    together = model.generate_batch(texts, prompt, options)
    for text, result in zip(texts, together, strict=True):
        alone = model.generate(text, prompt, options)
        assert torch.equal(result.codes, alone.sequence[6:-1])


def test_rows_that_end_leave_the_batch_and_the_others_are_not_disturbed() -> None:
    torch.manual_seed(2)
    network = TextToSemantic(SMALL).eval()
    with torch.no_grad():
        network.ar_predict_layer.weight[SMALL.eos] *= 2.0
    texts, prompt = [_text(5 + index, index) for index in range(8)], _prompt(5)
    options = GenerationOptions(GREEDY, early_stop_codes=400)
    alone = [network.generate(text, prompt, options) for text in texts]
    together = network.generate_batch(texts, prompt, options)
    assert len({result.kept for result in alone if result.ended}) > 1
    for one, other in zip(alone, together, strict=True):
        if one.ended:
            assert torch.equal(one.codes, other.codes)


def test_a_limit_costs_the_single_path_its_first_code_and_the_batch_its_last(model: TextToSemantic) -> None:
    options, prompt = GenerationOptions(GREEDY, early_stop_codes=20), _prompt(5)
    single = model.generate(_text(8), prompt, options)
    batched = model.generate_batch([_text(8)], prompt, options)[0]
    assert single.sequence.shape[0] == 5 + 21
    assert torch.equal(single.codes, single.sequence[6:])
    assert torch.equal(batched.codes, single.sequence[5:-1])


def test_without_a_prompt_everything_is_kept(model: TextToSemantic) -> None:
    options = GenerationOptions(GREEDY, early_stop_codes=20)
    alone = model.generate(_text(8), None, options)
    batched = model.generate_batch([_text(8), _text(9, 1)], None, options)
    assert alone.codes.shape[0] == 21
    assert torch.equal(batched[0].codes, alone.codes)


def test_generation_stops_at_1500_codes(model: TextToSemantic) -> None:
    result = model.generate(_text(5), _prompt(3), GenerationOptions(SamplingOptions(), progress_every=500))
    assert result.ended or result.sequence.shape[0] == 1503


def test_eleven_codes_come_before_the_end_token() -> None:
    torch.manual_seed(4)
    eager = TextToSemantic(SMALL).eval()
    hopeful = eager.generate(_text(6), _prompt(4), GenerationOptions(GREEDY, early_stop_codes=30)).sequence
    assert hopeful.shape[0] >= 4 + 11
    assert int(hopeful[4:15].max()) < SMALL.eos


def test_progress_is_reported_and_its_exception_cancels(model: TextToSemantic) -> None:
    class CancelledError(Exception):
        pass

    seen: list[int] = []

    def report(steps: int) -> None:
        seen.append(steps)
        if steps >= 30:
            raise CancelledError

    options = GenerationOptions(GREEDY, progress_every=10)
    before = torch.get_num_threads()
    with pytest.raises(CancelledError):
        model.generate(_text(5), _prompt(3), options, progress=report)
    assert seen == [10, 20, 30]
    assert torch.get_num_threads() == before


def test_the_seed_decides_what_is_said(model: TextToSemantic) -> None:
    options = GenerationOptions(SamplingOptions(), early_stop_codes=40)
    one, same, other = (
        model.generate(_text(5), _prompt(3), options, generator=torch.Generator().manual_seed(seed)).sequence
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_padding_of_text_is_on_the_left_and_of_codes_on_the_right() -> None:
    lengths = torch.tensor([4, 2])
    assert padding_mask_left(lengths, 4).tolist() == [[False] * 4, [True, True, False, False]]
    assert padding_mask_right(lengths, 4).tolist() == [[False] * 4, [False, False, True, True]]


def test_what_stands_behind_the_end_of_the_codes_changes_nothing(model: TextToSemantic) -> None:
    text, lengths = _text(6), torch.tensor([5])
    codes = _prompt(8)[None]
    other = codes.clone()
    other[:, 5:] = 3
    arguments = (text.phones[None], torch.tensor([6]))
    first = model(*arguments, codes, lengths, text.bert[None])
    second = model(*arguments, other, lengths, text.bert[None])
    assert torch.equal(first.loss, second.loss)


def test_the_nano_family_has_four_to_six_million_parameters() -> None:
    with torch.device("meta"):
        network = TextToSemantic(FAMILIES[FamilyName.NANO].gpt)
    assert 4e6 < sum(parameter.numel() for parameter in network.parameters()) < 6e6


@pytest.mark.parametrize("values", [{"early_stop_codes": 0}, {"progress_every": 0}])
def test_limits_without_meaning_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        GenerationOptions(**values)  # type: ignore[arg-type]
