"""The full-size text-to-semantic model gives the public numbers (golden manifests and vectors)."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from GPT_SoVITS.families import GptConfig
from GPT_SoVITS.models.semantic_generation import Generation, GenerationOptions, SemanticText
from GPT_SoVITS.models.semantic_step import store_matrices_by_input
from GPT_SoVITS.models.text_to_semantic import RejectedCodes, TextToSemantic
from GPT_SoVITS.sampling import SamplingOptions
from tests.engine.golden import filled_state, golden_file


@pytest.fixture(scope="module")
def model() -> TextToSemantic:
    """The model as voices use it: with its matrices stored for decoding."""
    network = TextToSemantic(GptConfig()).eval()
    network.load_state_dict(filled_state("s1_v2", "model."))
    store_matrices_by_input(network)
    return network


@pytest.fixture(scope="module")
def training() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/s1_train.safetensors"))


def _batch(training: dict[str, Tensor]) -> list[Tensor]:
    names = ("phoneme_ids", "phoneme_ids_len", "semantic_ids", "semantic_ids_len", "bert_feature")
    return [training[f"in.{name}"] for name in names]


def _assert_gradients(model: TextToSemantic, training: dict[str, Tensor], kind: str) -> None:
    with safe_open(golden_file("vectors/s1_train.safetensors"), "pt") as file:
        names = json.loads(file.metadata()["grad_norm_names"])
    parameters = dict(model.named_parameters(prefix="model"))
    expected = training[f"out.{kind}_grad_norm"]
    for name, norm in zip(names, expected, strict=True):
        gradient = parameters[name].grad
        assert gradient is not None
        assert abs(gradient.norm() - norm) <= 1e-2 * norm + 1e-4 * expected.max(), name


def test_training_loss_accuracy_logits_and_gradients(model: TextToSemantic, training: dict[str, Tensor]) -> None:
    model.zero_grad()
    logits: list[Tensor] = []
    hook = model.ar_predict_layer.register_forward_hook(lambda _module, _inputs, out: logits.append(out))
    output = model(*_batch(training))
    hook.remove()
    output.loss.backward()

    sample = training["out.ce_logits_sample"]
    assert (logits[0][:, :, ::41] - sample).abs().max() <= 1e-4 * sample.std()
    torch.testing.assert_close(output.loss, training["out.ce_loss"][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(output.accuracy, training["out.ce_acc_top3"][0], rtol=1e-6, atol=0)
    _assert_gradients(model, training, "ce")


def test_preference_loss_and_gradients(model: TextToSemantic, training: dict[str, Tensor]) -> None:
    model.zero_grad()
    logits: list[Tensor] = []
    hook = model.ar_predict_layer.register_forward_hook(lambda _module, _inputs, out: logits.append(out.detach()))
    output = model(*_batch(training), RejectedCodes(training["in.reject_ids"], training["in.reject_ids_len"]))
    hook.remove()
    output.loss.backward()
    torch.testing.assert_close(output.loss, training["out.dpo_total_loss"][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(output.preference_loss, training["out.dpo_loss_only"][0], rtol=1e-5, atol=0)
    torch.testing.assert_close(output.accuracy, training["out.dpo_acc_top3"][0], rtol=1e-6, atol=0)
    for scores, targets, sums in zip(logits, ("targets", "reject_targets"), ("chosen", "rejected"), strict=True):
        said = scores.log_softmax(dim=-1).gather(2, training[f"out.{targets}"].unsqueeze(-1)).sum(dim=(1, 2))
        torch.testing.assert_close(said, training[f"out.dpo_logp_{sums}"], rtol=1e-5, atol=0)
    _assert_gradients(model, training, "dpo")


@pytest.fixture(scope="module")
def inference() -> dict[str, Tensor]:
    return load_file(golden_file("vectors/s1_infer.safetensors"))


def _text(inference: dict[str, Tensor], phones: int | None = None) -> SemanticText:
    return SemanticText(inference["in.phones"][0, :phones], inference["in.bert"][0, :, :phones])


def _greedy(early_stop: int, penalty: float = 1.35) -> GenerationOptions:
    return GenerationOptions(SamplingOptions(top_k=1, repetition_penalty=penalty), early_stop)


def _assert_same(result: Generation, inference: dict[str, Tensor], name: str, item: int | None = None) -> None:
    sequence = inference[f"out.{name}.y{'' if item is None else item}"].flatten().long()
    assert torch.equal(result.sequence, sequence)
    kept = inference.get(f"out.{name}.idx")
    if kept is not None:
        assert result.kept == int(kept[item or 0])


def test_greedy_decoding_until_the_early_stop(model: TextToSemantic, inference: dict[str, Tensor]) -> None:
    logits: list[Tensor] = []
    hook = model.ar_predict_layer.register_forward_hook(lambda _module, _inputs, out: logits.append(out.clone()))
    result = model.generate(_text(inference), inference["in.prompt"][0], _greedy(40))
    hook.remove()
    _assert_same(result, inference, "early")
    assert torch.equal(result.codes, inference["out.early.used"][0])
    first = inference["out.early.logits3"]
    assert (torch.cat(logits[:3])[:, :1024] - first).abs().max() <= 1e-4 * first.std()
    later = inference["out.early.logit_step12"]
    assert (logits[12] - later).abs().max() <= 1e-4 * later.std()


def test_greedy_decoding_without_penalty_and_without_prompt(
    model: TextToSemantic, inference: dict[str, Tensor]
) -> None:
    prompt = inference["in.prompt"][0]
    _assert_same(model.generate(_text(inference), prompt, _greedy(40, 1.0)), inference, "nopenalty")
    _assert_same(model.generate(_text(inference), None, _greedy(30)), inference, "ref_free")


def test_greedy_decoding_of_a_batch(model: TextToSemantic, inference: dict[str, Tensor]) -> None:
    texts = [_text(inference, int(length)) for length in inference["out.batch.lengths"]]
    for item, result in enumerate(model.generate_batch(texts, inference["in.prompt"][0], _greedy(24))):
        _assert_same(result, inference, "batch", item)


def test_the_end_token_ends_a_sequence_alone_and_in_a_batch(
    model: TextToSemantic, inference: dict[str, Tensor]
) -> None:
    with safe_open(golden_file("vectors/s1_infer.safetensors"), "pt") as file:
        scale = float(file.metadata()["eos_row_scale"])
    row = model.ar_predict_layer.weight.data[1024]
    kept = row.clone()
    row *= scale
    try:
        _assert_same(model.generate(_text(inference), inference["in.prompt"][0], _greedy(2700)), inference, "eos")
        texts = [_text(inference, int(length)) for length in inference["out.batch.lengths"]]
        for item, result in enumerate(model.generate_batch(texts, inference["in.prompt"][0], _greedy(2700))):
            _assert_same(result, inference, "eos_batch", item)
    finally:
        row.copy_(kept)
