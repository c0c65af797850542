"""`python -m pipeline.encode FORMAT RATE_HZ`: 16-bit mono sound on standard input, encoded sound on standard output.

What is encoded leaves at once, so that a listener hears the beginning while the end is still being spoken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any

import av

from pipeline.sound_formats import SoundFormat

BLOCK_BYTES = 8192
PCM_RATE_HZ = 24_000
"""The rate that the public speech API has for raw samples."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a format is made: container and codec as FFmpeg names them."""

    container: str
    codec: str
    rate_hz: int | None = None
    """None: that of the input."""
    bits_per_second: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    """For the container. Output cannot be sought in, so a header that needs the end is left out."""


_RECIPES = {
    SoundFormat.WAV: _Recipe("wav", "pcm_s16le"),
    SoundFormat.PCM: _Recipe("s16le", "pcm_s16le", PCM_RATE_HZ),
    SoundFormat.FLAC: _Recipe("flac", "flac"),
    SoundFormat.MP3: _Recipe("mp3", "libmp3lame", None, 96_000, (("write_xing", "0"), ("id3v2_version", "0"))),
    SoundFormat.OPUS: _Recipe("ogg", "libopus", 48_000, 48_000, (("page_duration", "100000"),)),
    SoundFormat.AAC: _Recipe("adts", "aac", None, 96_000),
}


def encode(sound: IO[bytes], output: IO[bytes], format_name: SoundFormat, rate_hz: int) -> None:
    """Encode 16-bit little-endian mono samples until the input ends.

    Args:
        sound: raw samples.
        output: written and flushed as packets come.
        format_name: what to make of it.
        rate_hz: of the input.

    Raises:
        OSError: the output cannot be written, say because the listener has gone.
    """
    recipe = _RECIPES[format_name]
    with av.open(
        _Unseekable(output), "w", format=recipe.container, options={"flush_packets": "1", **dict(recipe.options)}
    ) as container:
        stream: Any = container.add_stream(recipe.codec, rate=recipe.rate_hz or rate_hz)
        stream.layout = "mono"
        if recipe.bits_per_second is not None:
            stream.bit_rate = recipe.bits_per_second
        stream.codec_context.open()
        resampler = av.AudioResampler(
            format=stream.codec_context.format,
            layout="mono",
            rate=stream.codec_context.sample_rate,
            frame_size=stream.codec_context.frame_size or None,
        )
        for frame in chain(_frames(sound, rate_hz), [None]):
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
            output.flush()
        container.mux(stream.encode(None))
    output.flush()


def _frames(sound: IO[bytes], rate_hz: int) -> Iterator[Any]:
    start, rest = 0, b""
    read: Callable[[int], bytes] = getattr(sound, "read1", sound.read)
    while block := read(BLOCK_BYTES):
        whole = rest + block
        samples = len(whole) // 2
        rest = whole[2 * samples :]
        if samples:
            frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
            frame.planes[0].update(whole[: 2 * samples])
            frame.sample_rate, frame.pts = rate_hz, start
            start += samples
            yield frame


class _Unseekable:
    """Shows FFmpeg an output that can only be appended to."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    def write(self, block: bytes) -> int:
        """Write all of it."""
        self._output.write(block)
        return len(block)


def main() -> int:
    """Encode and return the exit code: 1 when the listener has gone."""
    try:
        encode(sys.stdin.buffer, sys.stdout.buffer, SoundFormat(sys.argv[1]), int(sys.argv[2]))
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
