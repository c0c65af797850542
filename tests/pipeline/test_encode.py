"""Encoding: every format decodes to the same sound, and leaves before the input has ended."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from GPT_SoVITS.audio import decode
from pipeline.encode import PCM_RATE_HZ, encode
from pipeline.sound_formats import SoundFormat
from tests.waiting import PATIENCE_S

RATE_HZ = 32_000
SECONDS = 3


def _tone() -> bytes:
    time = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    return (np.sin(2 * np.pi * 440 * time) * 12_000).astype("<i2").tobytes()


def _encoded(sound: bytes, name: SoundFormat) -> bytes:
    output = io.BytesIO()
    encode(io.BytesIO(sound), output, name, RATE_HZ)
    return output.getvalue()


@pytest.mark.parametrize("name", [each for each in SoundFormat if each is not SoundFormat.PCM])
def test_every_format_decodes_to_the_tone_that_went_in(name: SoundFormat, tmp_path: Path) -> None:
    path = tmp_path / f"tone.{name}"
    path.write_bytes(_encoded(_tone(), name))
    heard = decode(path, RATE_HZ).samples
    assert len(heard) == pytest.approx(RATE_HZ * SECONDS, abs=RATE_HZ * 0.15)
    middle = heard[RATE_HZ // 2 : RATE_HZ // 2 + RATE_HZ]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(int(spectrum.argmax()) - 440) <= 1
    assert np.abs(middle).max() == pytest.approx(12_000 / 32_768, rel=0.1)


def test_raw_samples_have_the_rate_of_the_public_speech_api() -> None:
    assert len(_encoded(_tone(), SoundFormat.PCM)) == pytest.approx(2 * PCM_RATE_HZ * SECONDS, abs=400)


@pytest.mark.parametrize("name", list(SoundFormat))
def test_silence_of_no_length_and_an_odd_byte_are_no_error(name: SoundFormat) -> None:
    _encoded(b"", name)
    _encoded(b"\x01", name)
    _encoded(_tone()[:4001], name)


@pytest.mark.parametrize(
    "name", [SoundFormat.MP3, SoundFormat.OPUS, SoundFormat.AAC, SoundFormat.FLAC, SoundFormat.PCM]
)
def test_the_beginning_leaves_while_the_end_is_still_missing(name: SoundFormat) -> None:
    command = [sys.executable, "-m", "pipeline.encode", name.value, str(RATE_HZ)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_tone()[: 2 * RATE_HZ])  # less than a pipe holds
        process.stdin.flush()
        assert process.stdout.read(64), "nothing came although the input is still open"
        process.stdin.close()
        process.stdout.read()
    assert process.returncode == 0


def test_a_listener_that_goes_away_ends_it() -> None:
    command = [sys.executable, "-m", "pipeline.encode", "mp3", str(RATE_HZ)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    with contextlib.suppress(BrokenPipeError):
        for _ in range(200):
            process.stdin.write(_tone())
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    assert process.wait(PATIENCE_S) != 0
