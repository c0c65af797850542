"""A sound file that is read while it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipeline.growing_wav import DATA_OFFSET, GrowingWav

SOUND = np.arange(-300, 300, dtype=np.int16)


def test_what_is_written_can_be_read_at_once_and_to_the_end(tmp_path: Path) -> None:
    target = tmp_path / "新しい" / "声 🎙.wav"
    with GrowingWav(target, 32_000) as output:
        output.append(SOUND[:100])
        reader = output.path.open("rb")
        reader.seek(DATA_OFFSET)
        assert reader.read(output.bytes) == SOUND[:100].tobytes()
        assert not target.exists()
        output.append(SOUND[100:])
        assert output.bytes == 1200
    assert reader.read() == SOUND[100:].tobytes(), "the file was renamed, the reader goes on"
    reader.close()
    samples, rate_hz = soundfile.read(target, dtype="int16")
    assert rate_hz == 32_000
    assert np.array_equal(samples, SOUND)
    assert list(target.parent.iterdir()) == [target]


def test_an_exception_leaves_nothing_and_an_older_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"older")
    with pytest.raises(RuntimeError), GrowingWav(target, 32_000) as output:
        output.append(SOUND)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"older"
