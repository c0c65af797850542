"""Real audio files in every format, made with PyAV from a waveform."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

FORMATS = {
    "wav": ("wav", "pcm_s16le", "s16"),
    "mp3": ("mp3", "libmp3lame", "fltp"),
    "m4a": ("ipod", "aac", "fltp"),
    "mp4": ("mp4", "aac", "fltp"),
    "aac": ("adts", "aac", "fltp"),
    "flac": ("flac", "flac", "s16"),
    "ogg": ("ogg", "flac", "s16"),
    "opus": ("ogg", "libopus", "flt"),
    "wma": ("asf", "wmav2", "fltp"),
    "3gp": ("3gp", "aac", "fltp"),
    "webm": ("webm", "libopus", "flt"),
    "mkv": ("matroska", "flac", "s16"),
}
"""Suffix → container, codec and sample format."""


def speech_like(seconds: float, rate_hz: int = 48_000, *, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return a voiced buzz whose loudness moves like syllables: float32 [samples], peak 0.5."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 140 * harmonic * time) / harmonic for harmonic in range(1, 9))
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    noise = np.random.default_rng(seed).standard_normal(len(time)) * 0.02
    wave = buzz * loudness + noise
    return np.asarray(0.5 * wave / np.abs(wave).max(), dtype=np.float32)


def write_as(path: Path, samples: npt.NDArray[np.float32], rate_hz: int = 48_000, *, kind: str = "") -> Path:
    """Encode float32 [samples] or [channels, samples] in the format that the suffix (or `kind`) names."""
    container_name, codec, sample_format = FORMATS[kind or path.suffix[1:]]
    channels = np.atleast_2d(samples)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(channels)]
    with av.open(str(path), "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        stream.format = sample_format
        stream.bit_rate = 96_000
        _encode(container, stream, channels, (rate_hz, layout, sample_format))
    return path


def _encode(container, stream, channels, form) -> None:  # type: ignore[no-untyped-def]
    rate_hz, layout, sample_format = form
    fit = av.AudioResampler(format=sample_format, layout=layout, rate=rate_hz)
    fifo = av.AudioFifo()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels, dtype=np.float32), format="fltp", layout=layout)
    frame.sample_rate = rate_hz
    for piece in [*fit.resample(frame), *fit.resample(None)]:
        piece.pts = None
        fifo.write(piece)
    size = stream.codec_context.frame_size or 1024
    while (piece := fifo.read(size, partial=True)) is not None:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))
