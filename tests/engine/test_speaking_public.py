"""The public families speak with all of their encoders: HuBERT prompts, RoBERTa features, speaker vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from GPT_SoVITS.audio import decode
from GPT_SoVITS.base_files import SPEAKER_FILE
from GPT_SoVITS.content import content_encoder
from GPT_SoVITS.families import Family, FamilyName
from GPT_SoVITS.inference import Reference, SpeakOptions, Voice
from GPT_SoVITS.mel import spectrogram
from GPT_SoVITS.models.eres2net import ERes2NetV2
from GPT_SoVITS.reference_features import PADDING_SAMPLES, ReferenceReader
from GPT_SoVITS.resampling import sinc_resample
from GPT_SoVITS.roberta import text_encoder
from GPT_SoVITS.speaker import speaker_encoder, speaker_wave
from GPT_SoVITS.speech_guard import RateBounds
from GPT_SoVITS.spoken_text import TextReader
from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.languages import Language
from tests.engine.encoder_folders import HUBERT_SIZES, ROBERTA_SIZES, write_encoders
from tests.engine.small_voice import SMALL_GPT, small_family, small_networks

CLIPS = Path(__file__).parent.parent / "data" / "allison_en"
ONE, OTHER = CLIPS / "dir-nomore.flac", CLIPS / "agent-alreadyon.flac"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Small encoders of random weights, and a speaker encoder of full size, where a models folder has them."""
    folder = write_encoders(tmp_path_factory.mktemp("基础"))
    torch.manual_seed(3)
    (folder / SPEAKER_FILE).parent.mkdir(parents=True)
    torch.save(ERes2NetV2().state_dict(), folder / SPEAKER_FILE)
    return str(folder)


@pytest.fixture(scope="module")
def pro() -> Family:
    small = small_family(FamilyName.V2_PRO_PLUS)
    return replace(
        small,
        sovits=replace(small.sovits, ssl_channels=HUBERT_SIZES["hidden_size"]),
        gpt=replace(SMALL_GPT, bert_channels=ROBERTA_SIZES["hidden_size"]),
    )


def test_the_prompt_is_heard_as_recorded_with_silence_behind_it(pro: Family, models_dir: str) -> None:
    sovits = small_networks(pro).sovits.eval()
    codes = ReferenceReader(pro, sovits, models_dir, CPU).prompt(ONE)
    wave = decode(ONE, 16_000).samples
    (heard,) = content_encoder(pro, models_dir)([np.concatenate([wave, np.zeros(PADDING_SAMPLES, np.float32)])])
    assert torch.equal(codes, sovits.extract_codes(heard)[0, 0])
    assert len(codes) == heard.shape[2] // 2


def test_each_reference_brings_its_own_speaker_vector(pro: Family, models_dir: str) -> None:
    sovits = small_networks(pro).sovits.eval()
    timbre = ReferenceReader(pro, sovits, models_dir, CPU).timbre(Reference(ONE, others=(OTHER,)))
    encoder = speaker_encoder(pro, models_dir)
    assert encoder is not None
    spectrograms, vectors = [], []
    for path in (ONE, OTHER):
        whole = decode(path)
        samples = sinc_resample(whole.samples, whole.rate_hz, 32_000)
        spectrograms.append(spectrogram(torch.from_numpy(samples)[None], pro.audio))
        vectors += encoder.embed([speaker_wave(samples, 32_000)])
    with torch.no_grad():
        expected = sovits.mean_style(spectrograms, vectors)
        of_one = sovits.mean_style(spectrograms, [vectors[0]] * 2)
    torch.testing.assert_close(timbre.style, expected, rtol=1e-5, atol=1e-6)
    assert (timbre.style - of_one).abs().max() > 1e-5


def test_chinese_has_text_features_and_the_rest_has_zeros(pro: Family, models_dir: str) -> None:
    read = TextReader(pro, models_dir, CPU).read("我们去公园吧。Hello world!", "auto")
    pieces = phones_of("我们去公园吧。Hello world!", "auto")
    encoder = text_encoder(pro, models_dir)
    assert encoder is not None
    assert {piece.language for piece in pieces} == {Language.ZH, Language.EN}
    assert read.bert.shape == (ROBERTA_SIZES["hidden_size"], len(read.phones))
    start = 0
    for piece in pieces:
        columns = read.bert[:, start : start + len(piece.ids)]
        if piece.language == Language.ZH:
            assert piece.word2ph is not None
            assert torch.equal(columns, encoder.encode([(piece.norm_text, piece.word2ph)])[0])
        else:
            assert not columns.any()
        start += len(piece.ids)


def test_a_pro_voice_speaks_mixed_text_and_repeats_itself_without_encoding(pro: Family, models_dir: str) -> None:
    voice = Voice(small_networks(pro), models_dir=models_dir, device="cpu")
    options = SpeakOptions(seed=1, bounds=RateBounds(0.1, 3.0), tries=1)
    reference = Reference(ONE, "There are no more compatible entries.", "en", others=(OTHER,))
    speech = voice.speak("今天天气很好，我们去公园吧。Hello world!", "auto", reference, options)
    encoded = voice.encoded
    again = voice.speak("今天天气很好，我们去公园吧。Hello world!", "auto", reference, options)
    assert voice.encoded == encoded
    assert np.array_equal(speech.samples, again.samples)
    assert speech.samples.any()
