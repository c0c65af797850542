"""The full-size encoders give the public numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from GPT_SoVITS.encoder_folder import without_prefix
from GPT_SoVITS.hubert import HubertEncoder
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.roberta import TextEncoder
from GPT_SoVITS.speaker import SpeakerEncoder, filterbank
from tests.engine.golden import assert_close, filled_state, golden_file

SPECIAL_TOKENS = {"[UNK]": 100, "[CLS]": 101, "[SEP]": 102}


def _vectors(name: str) -> dict[str, Tensor]:
    return load_file(golden_file(f"vectors/{name}.safetensors"))


def _settings(manifest: str) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(golden_file(f"manifests/{manifest}.json").read_text("utf-8"))["config"]
    return settings


def test_hubert_features_are_the_public_ones() -> None:
    expected = _vectors("hubert")
    encode = HubertEncoder(_settings("hubert_base"), filled_state("hubert_base"), Path("filled"))
    wave = expected["in.wav16k"][0].numpy()

    loud = wave * np.float32(1145.14 * 0.9)
    plain, padded, louder = encode([wave, np.pad(wave, (0, 9600)), loud])
    (alone,) = encode([wave])

    assert_close(plain, expected["out.ssl"])
    assert_close(padded[:, ::8], expected["out.ssl_with_9600_zeros_sample"])
    assert_close(louder[:, ::8], expected["out.ssl_x1030.626_sample"])
    assert_close(alone, expected["out.ssl"])
    assert [plain.shape[2], padded.shape[2]] == expected["out.n_frames"].tolist()


@pytest.mark.slow
def test_text_features_are_the_public_ones() -> None:
    expected = _vectors("bert")
    weights = without_prefix(filled_state("bert_large"), "bert.")
    ids = expected["in.input_ids"]
    characters = [chr(0x4E00 + number) for number in range(ids.shape[1] - 2)]
    vocabulary = SPECIAL_TOKENS | dict(zip(characters, ids[0, 1:-1].tolist(), strict=True))
    encoder = TextEncoder(_settings("bert_large"), weights, vocabulary, Path("filled"))

    sentence = ("".join(characters), expected["in.word2ph"].tolist())
    features, _ = encoder.encode([sentence, (characters[0], [2])])

    assert_close(encoder.hidden_state(ids)[0, 1:-1], expected["out.char_feature"])
    assert_close(features[::16], expected["out.phone_feature_sample"])


def test_speaker_vector_is_the_public_one() -> None:
    expected = _vectors("sv")
    network = ERes2NetV2()
    network.load_state_dict(filled_state("sv_eres2netv2"))
    encoder = SpeakerEncoder(network, torch.device("cpu"))
    inner: dict[str, Tensor] = {}
    for name in ("layer1", "layer2", "layer3", "layer4", "fuse34"):
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, out, name=name: inner.update({name: out[0] if isinstance(out, tuple) else out})
        )
    wave = expected["in.wav16k"][0].numpy()

    (vector,) = encoder.embed([wave])

    torch.testing.assert_close(filterbank(wave).unsqueeze(0), expected["out.fbank"], rtol=0, atol=1e-4)
    assert_close(vector, expected["out.embedding"])
    for name, out in inner.items():
        flat = out.flatten()
        assert_close(flat[:: max(1, flat.numel() // 512)][:512], expected[f"out.{name}.sample"], 2e-4)
        stats = torch.stack([flat.mean(), flat.std(), flat.abs().max()])
        torch.testing.assert_close(stats, expected[f"out.{name}.stats"], rtol=1e-3, atol=1e-4)


def test_a_speaker_vector_is_the_same_beside_other_clips() -> None:
    network = ERes2NetV2()
    network.load_state_dict(filled_state("sv_eres2netv2"))
    encoder = SpeakerEncoder(network, torch.device("cpu"), frames_together=3000)
    wave = _vectors("sv")["in.wav16k"][0].numpy()
    clips = [wave, wave[: len(wave) // 3], wave[len(wave) // 2 : len(wave) // 2 + 5_003]]

    together = encoder.embed(clips)

    for clip, vector in zip(clips, together, strict=True):
        assert_close(vector, encoder.embed([clip])[0])
