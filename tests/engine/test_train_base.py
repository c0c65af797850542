"""Making a base: from recordings with texts to weights that a voice starts from, in seconds on a tiny corpus."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from GPT_SoVITS.audio import decode, read_wav
from GPT_SoVITS.content import CONTENT_RATE_HZ
from GPT_SoVITS.devices import choose_compute
from GPT_SoVITS.errors import TrainingDataError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName
from GPT_SoVITS.inference import Reference, SpeakOptions, Voice
from GPT_SoVITS.training.base.corpus import read_corpus
from GPT_SoVITS.training.base.export import export_base
from GPT_SoVITS.training.base.extract import extract, extract_paces, feature_path
from GPT_SoVITS.training.base.prepare import Prepared, keep_tokens, load_prepared, prepare
from GPT_SoVITS.training.base.recipe import BaseRecipe
from GPT_SoVITS.training.base.train import BaseRun, Deadline, train_base_gpt, train_base_sovits
from GPT_SoVITS.training.direct_trainer import Schedule
from GPT_SoVITS.voice_networks import base_networks

DATA = Path(__file__).parent.parent / "data" / "allison_en"
RECIPE = BaseRecipe(
    codebook_rows=3000,
    codebook_directions=16,
    sovits=Schedule(2e-3, 100, warmup_updates=2, batch_codes=150),
    gpt=Schedule(2e-3, 100, warmup_updates=2, batch_codes=150),
)


def tiny_nano() -> Family:
    nano = FAMILIES[FamilyName.NANO]
    return replace(
        nano,
        sovits=replace(
            nano.sovits,
            ssl_channels=40,
            codebook_size=64,
            hidden_channels=32,
            inter_channels=32,
            filter_channels=32,
            mrte_channels=16,
            gin_channels=16,
            style_hidden=16,
            harmonic_channels=32,
            harmonic_layers=1,
        ),
        gpt=replace(nano.gpt, vocab_size=65, eos=64, embedding_dim=32, hidden_dim=32, head=2, n_layer=1, ffn_dim=64),
    )


def _encode(waves_16k: Sequence[np.ndarray]) -> list[torch.Tensor]:
    """Stand-in for a speech encoder: the levels of 40 bands, 50 frames a second."""
    return [_levels(wave) for wave in waves_16k]


def _levels(samples_16k: np.ndarray) -> torch.Tensor:
    frames = torch.from_numpy(samples_16k[: len(samples_16k) // 320 * 320]).reshape(-1, 320)
    power = torch.fft.rfft(frames).abs()[:, 1:161].reshape(-1, 40, 4).sum(dim=2)
    return (power + 1e-3).log().T[None]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    clips = sorted(DATA.glob("*.flac"))[:6]
    rows = ["file\tseconds\ttext"]
    for number, clip in enumerate(clips):
        shutil.copyfile(clip, folder / f"en_{number:05d}.flac")
        rows.append(f'en_{number:05d}.flac\t3.0\tPlease say number {number} after the tone, "thank you".')
    (folder / "en.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_about_two_of_a_hundred_sentences_are_kept_out(tmp_path: Path) -> None:
    (tmp_path / "a.flac").touch()
    rows = "".join(f"a.flac\t1\tSentence {number}.\n" for number in range(2000))
    (tmp_path / "zh.tsv").write_text("file\tseconds\ttext\n" + rows, encoding="utf-8")
    utterances = read_corpus(tmp_path)
    assert 20 < sum(utterance.validation for utterance in utterances) < 60
    assert utterances == read_corpus(tmp_path)


def test_a_folder_without_a_corpus_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="holds no corpus"):
        read_corpus(tmp_path)
    (tmp_path / "en.tsv").write_text("file\tseconds\ttext\ngone.opus\t1\tHello.\n", encoding="utf-8")
    with pytest.raises(TrainingDataError, match=r"lacks gone\.opus"):
        read_corpus(tmp_path)


def test_a_base_is_made_continued_and_speaks(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given features of a corpus, made once
    family = tiny_nano()
    monkeypatch.setitem(FAMILIES, FamilyName.NANO, family)
    utterances = [replace(utterance, validation=number == 0) for number, utterance in enumerate(read_corpus(corpus))]
    seen: list[int] = []
    extract(utterances, tmp_path / "cache", family, _encode, lambda done, _total: seen.append(done))
    assert seen[-1] == len(utterances)
    before = feature_path(tmp_path / "cache", utterances[0]).stat().st_mtime_ns
    extract(utterances, tmp_path / "cache", family, _encode, lambda _done, _total: None)
    extract_paces(utterances, tmp_path / "cache", _encode, RECIPE, lambda _done, _total: None)
    assert feature_path(tmp_path / "cache", utterances[0]).stat().st_mtime_ns == before

    # when it is prepared and both models are trained, twice for a moment
    prepare(utterances, tmp_path / "cache", tmp_path / "data", family, RECIPE)
    data = load_prepared(tmp_path / "data")
    assert (len(data.training), len(data.validation)) == (5, 1)
    _expect_other_paces(data)
    run = BaseRun(data, family, RECIPE, choose_compute("cpu"))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for turn in (1, 2):
        train_base_sovits(run, tmp_path / "sovits", Deadline(0.03))
        train_base_gpt(run, tmp_path / "gpt", Deadline(0.03))
        steps = {name: _steps(tmp_path / name) for name in ("sovits", "gpt")}
        assert all(list(range(1, len(each) + 1)) == [row["step"] for row in each] for each in steps.values()), turn
    first, last = steps["sovits"][0], steps["sovits"][-1]
    assert last["total"] < first["total"]
    assert (tmp_path / "sovits" / "validation.jsonl").exists()
    samples = sorted((tmp_path / "sovits" / "samples").iterdir())
    assert read_wav(samples[-1]).rate_hz == 32_000

    # then it is a base that a voice speaks from, the same for the same seed
    export_base(tmp_path, tmp_path / "models" / "nano")
    voice = Voice(base_networks(family, str(tmp_path / "models")), device="cpu")
    spoken = [voice.speak("Hello there.", "en", Reference(utterances[0].path), SpeakOptions(seed=4)) for _ in range(2)]
    assert np.array_equal(spoken[0].samples, spoken[1].samples)
    assert len(spoken[0].samples) > 3_200
    assert "base model" in spoken[0].warnings[0]

    # and another training goes on from it, with the same tokens
    base = tmp_path / "models" / "nano"
    keep_tokens(base, tmp_path / "more", family)
    prepare(utterances, tmp_path / "cache", tmp_path / "more", family, RECIPE)
    more = load_prepared(tmp_path / "more")
    same = [bool((one.codes == other.codes).all()) for one, other in zip(data.training, more.training, strict=True)]
    assert sum(same) >= len(same) - 1  # half precision may move a code between two centres
    onward = replace(run, data=more, start=base)
    model = train_base_sovits(onward, tmp_path / "onward", Deadline(0.0))
    assert torch.equal(model.dec.level_mean, voice.sovits.dec.level_mean)
    assert _validation(tmp_path / "onward") == pytest.approx(_validation(tmp_path / "sovits"), abs=0.2)


def _expect_other_paces(data: Prepared) -> None:
    """Each recording to train on is there at two other paces, a twentieth to a sixth faster or slower."""
    assert len({item.name for item in data.paced}) == 2 * len(data.training)
    for number, item in enumerate(data.paced):
        original = data.training[number // 2]
        assert torch.equal(item.phones, original.phones)
        pace = len(original.codes) / len(item.codes)
        assert 0.84 < pace < 0.97 or 1.03 < pace < 1.19


def _validation(folder: Path) -> float:
    last = json.loads((folder / "validation.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    envelope: float = last["envelope"]
    return envelope


def _steps(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_encoder_of_this_test_gives_fifty_frames_a_second(corpus: Path) -> None:
    samples = decode(corpus / "en_00000.flac", CONTENT_RATE_HZ).samples
    assert _encode([samples])[0].shape == (1, 40, len(samples) // 320)
