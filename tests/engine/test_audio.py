"""Sound in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from GPT_SoVITS.audio import decode, probe, read_wav, resample, write_wav
from GPT_SoVITS.dataset import TextLine, format_text_line, parse_text_line, training_mix
from GPT_SoVITS.errors import AudioError, ModelMissingError
from GPT_SoVITS.whisper import content_features, load_model
from GPT_SoVITS.whisper_files import locate_model

CLIP = Path(__file__).parent.parent / "data" / "allison_en" / "dir-nomore.flac"


def test_a_wav_is_written_and_read_back_within_half_a_step(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 10_000).astype(np.float32)
    write_wav(tmp_path / "中文 😀.wav", samples, 32_000)
    back = read_wav(tmp_path / "中文 😀.wav")
    assert back.rate_hz == 32_000
    assert np.abs(back.samples - samples).max() <= 1 / 32768


def test_what_is_too_loud_is_clipped_and_never_wrapped(tmp_path: Path) -> None:
    write_wav(tmp_path / "loud.wav", np.array([2.0, -2.0, 1.0], np.float32), 8_000)
    assert soundfile.read(tmp_path / "loud.wav", dtype="int16")[0].tolist() == [32767, -32768, 32767]


def test_a_recording_is_decoded_to_any_rate() -> None:
    original = soundfile.read(CLIP, dtype="float32")[0]
    assert np.allclose(decode(CLIP).samples, original, atol=1e-4)
    at_32k = decode(CLIP, 32_000)
    assert abs(len(at_32k.samples) - 2 * len(original)) <= 2
    assert (
        np.abs(resample(at_32k.samples, 32_000, 16_000)[: len(original)] - original[: len(at_32k.samples) // 2]).max()
        < 0.05
    )


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = np.random.default_rng(1).uniform(-0.5, 0.5, 8_000).astype(np.float32)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, -left], axis=1), 8_000, subtype="FLOAT")
    assert np.abs(decode(tmp_path / "stereo.wav").samples).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "content"), [("empty.wav", b""), ("text.mp3", b"hello" * 100), ("zeros.flac", bytes(5000))]
)
def test_what_is_no_audio_is_refused_with_a_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=name.split(".")[0]):
        decode(tmp_path / name)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    for path in (CLIP, tmp_path / "whole.wav"):
        if path.suffix == ".wav":
            soundfile.write(path, soundfile.read(CLIP)[0], 16_000)
        cut = tmp_path / f"cut{path.suffix}"
        cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(AudioError):
            decode(cut)


def test_the_length_is_known_without_decoding() -> None:
    facts = probe(CLIP)
    assert facts.rate_hz == 16_000
    assert facts.duration_s == pytest.approx(soundfile.info(CLIP).duration, abs=0.01)


def test_the_training_mix_raises_quiet_speech_and_keeps_its_shape() -> None:
    quiet = np.linspace(-0.1, 0.1, 1001, dtype=np.float32)
    mixed = training_mix(quiet)
    assert np.abs(mixed).max() == pytest.approx(0.95 * 0.5 + 0.1 * 0.5, abs=1e-5)
    assert np.corrcoef(quiet, mixed)[0, 1] > 0.9999
    with pytest.raises(AudioError, match="overdriven"):
        training_mix(quiet * 30)


def test_a_text_line_is_read_back() -> None:
    line = TextLine("a.wav", ("n", "i2"), (2,), "你")
    assert parse_text_line(format_text_line(line)) == line
    assert parse_text_line("three\tcolumns\tonly") is None


def test_whisper_hears_fifty_frames_a_second_the_same_each_time() -> None:
    model = load_model(locate_model("", ""), "cpu")
    samples = decode(CLIP, 16_000).samples
    features = content_features(samples, model)
    assert features.shape == (512, len(samples) // 320)
    assert np.isfinite(features).all()
    assert np.array_equal(features, content_features(samples, model))


def test_a_missing_model_says_which_where_and_how(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match=r"large-v3.*hf download"):
        locate_model("large-v3", str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelMissingError, match=r"lacks model\.bin"):
        locate_model("empty", str(tmp_path))
