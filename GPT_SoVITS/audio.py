"""Sound in and out: any recording to mono float32, resampling, and 16-bit WAV files.

Waveforms are float32 [samples], mono, nominally -1..1.
"""

from __future__ import annotations

import logging
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av.error
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from GPT_SoVITS.containers import AudioFacts, facts_of, open_container, probe, raise_if_unreadable
from GPT_SoVITS.errors import AudioError

__all__ = [
    "AudioFacts",
    "Waveform",
    "decode",
    "decode_blocks",
    "peak_dbfs",
    "probe",
    "read_wav",
    "refuse_short",
    "resample",
    "to_int16",
    "write_wav",
    "write_wav_blocks",
]

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

SOXR_QUALITY = "HQ"
DAMAGED_SHARE = 0.1
"""A file of which more packets than this are undecodable is refused; single damaged packets are skipped."""
SHORTEST_HEARD_S = 0.025
"""What every encoder needs: one frame of those that hear most at a time."""
MAX_WAV_BYTES = 0xFFFF_0000
_FULL_SCALE = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0}


@dataclass(frozen=True, slots=True)
class Waveform:
    """Mono sound: float32 [samples], nominally -1..1, at `rate_hz`."""

    samples: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def refuse_short(samples: Samples, rate_hz: int) -> None:
    """Raise AudioError for sound that is too short for the encoders to hear anything."""
    if len(samples) < SHORTEST_HEARD_S * rate_hz:
        least, given = (1000 * seconds for seconds in (SHORTEST_HEARD_S, len(samples) / rate_hz))
        raise AudioError(f"the clip is too short to be heard: {given:.0f} ms, at least {least:.0f} are needed")


def decode(path: Path, rate_hz: int | None = None, *, max_duration_s: float | None = None) -> Waveform:
    """Decode the first audio stream of a file to mono.

    Args:
        path: any file that FFmpeg reads.
        rate_hz: rate to resample to; None keeps the file's own.
        max_duration_s: stop after this much sound (the end of the file is then not checked).

    Raises:
        AudioError: not audio, empty, damaged or truncated.
        OSError: the file cannot be read.
    """
    rate = rate_hz or probe(path).rate_hz
    blocks = list(decode_blocks(path, rate, max_duration_s=max_duration_s))
    return Waveform(np.concatenate(blocks), rate)


def decode_blocks(path: Path, rate_hz: int, *, max_duration_s: float | None = None) -> Iterator[Samples]:
    """Yield the first audio stream of a file piece by piece, mono at `rate_hz`, in bounded memory.

    All channels are averaged. Lengths are counted in decoded samples, never in time stamps.

    Raises:
        AudioError: not audio, empty, damaged or truncated (the last is known only at the end).
        OSError: the file cannot be read.
    """
    with open_container(path) as container:
        facts = facts_of(path, container)
        limit = None if max_duration_s is None else round(max_duration_s * rate_hz)
        produced = 0
        for block in _resampled(_frames(path, container), rate_hz):
            block = block if limit is None else block[: limit - produced]
            produced += len(block)
            if len(block):
                yield block
            if limit is not None and produced >= limit:
                return
        if produced == 0:
            raise AudioError(f"{path.name} holds no sound (no sample could be decoded)")
        _check_complete(path, facts, produced / rate_hz)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """Change the rate of a waveform (float32 [samples]) with soxr at high quality."""
    if from_hz == to_hz:
        return samples
    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality=SOXR_QUALITY), dtype=np.float32)


def peak_dbfs(samples: Samples) -> float:
    """Return the peak in decibels below full scale; minus infinity for digital silence or no samples."""
    peak = float(np.max(np.abs(samples), initial=0.0))
    return 20.0 * float(np.log10(peak)) if peak > 0 else float("-inf")


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """Quantise to 16 bits; what is louder than full scale is clipped, never wrapped."""
    clipped: npt.NDArray[np.int16] = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return clipped


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write a mono 16-bit WAV file.

    Raises:
        OSError: the file cannot be written (a full disk, say).
    """
    write_wav_blocks(path, [samples], rate_hz)


def write_wav_blocks(path: Path, blocks: Iterable[Samples], rate_hz: int) -> int:
    """Write a mono 16-bit WAV file piece by piece and return its number of samples.

    Raises:
        OSError: the file cannot be written (a full disk, say).
        AudioError: the sound would not fit into a WAV file (4 GiB, more than 18 hours).
    """
    written = 0
    # The standard library's writer lets an OSError through; libsndfile swallows it.
    with path.open("wb") as stream, wave.open(stream, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate_hz)
        for block in blocks:
            written += len(block)
            if written * 2 > MAX_WAV_BYTES:
                raise AudioError(f"{path.name} would be longer than a WAV file can be (18 hours); split the recording")
            output.writeframesraw(to_int16(block).tobytes())
    return written


def read_wav(path: Path) -> Waveform:
    """Read a WAV (or FLAC) file of our own making; several channels are averaged.

    Raises:
        AudioError: the file is not a readable WAV.
        OSError: it cannot be opened.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise_if_unreadable(path)
        raise AudioError(f"{path.name} is not a readable WAV file") from error
    return Waveform(np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32)), int(rate_hz))


def _frames(path: Path, container: Any) -> Iterator[tuple[Samples, int]]:
    """Yield (mono samples, rate) of each decoded frame, the decoder drained at the end."""
    stream = container.streams.audio[0]
    stream.thread_type = "NONE"  # audio decoders gain nothing, and worker threads outlive a cancelled step
    packets = damaged = 0
    for packet in _packets(path, container, stream):
        packets += 1
        try:
            for frame in packet.decode():
                if frame.samples:
                    yield _mono(frame), frame.sample_rate
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            damaged += 1
    if damaged > max(2, packets * DAMAGED_SHARE) or damaged >= packets:
        raise AudioError(f"{path.name} is damaged: {damaged} of its {packets} packets cannot be decoded")
    if damaged:
        logger.warning("%s: skipped %d undecodable packets of %d", path.name, damaged, packets)


def _packets(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    try:
        yield from container.demux(stream)
    except (av.error.FFmpegError, OSError) as error:
        raise_if_unreadable(path)
        raise AudioError(f"{path.name} is damaged or truncated: it cannot be read to its end") from error


def _mono(frame: Any) -> Samples:
    """Average the channels of a decoded frame: float32 [samples]."""
    values = frame.to_ndarray()
    if frame.format.is_packed:
        values = values.reshape(-1, frame.layout.nb_channels).T
    base = frame.format.packed.name
    offset = 128.0 if base == "u8" else 0.0
    mixed = values.mean(axis=0, dtype=np.float64)
    scaled: Samples = ((mixed - offset) / _FULL_SCALE[base]).astype(np.float32)
    return scaled


def _resampled(frames: Iterator[tuple[Samples, int]], rate_hz: int) -> Iterator[Samples]:
    """Bring frames to one rate; a file may change its own rate midway."""
    current_hz = rate_hz
    resampler = None
    for samples, from_hz in frames:
        if from_hz != current_hz:
            if resampler is not None:
                yield _finite(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
            current_hz = from_hz
            resampler = None
            if from_hz != rate_hz:
                resampler = soxr.ResampleStream(from_hz, rate_hz, 1, dtype="float32", quality=SOXR_QUALITY)
        yield _finite(samples if resampler is None else resampler.resample_chunk(samples))
    if resampler is not None:
        yield _finite(resampler.resample_chunk(np.zeros(0, np.float32), last=True))


def _finite(samples: Samples) -> Samples:
    """Replace what is no number (float files may hold it) by silence, and infinities by full scale."""
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)


def _check_complete(path: Path, facts: AudioFacts, decoded_s: float) -> None:
    """Compare what came out with what the header promised; encoders pad and trim by fractions of a second."""
    if facts.duration_s is None or decoded_s >= facts.duration_s * 0.98 - 0.25:
        return
    raise AudioError(
        f"{path.name} is truncated: it should last {facts.duration_s:.1f} s, only {decoded_s:.1f} s can be decoded"
    )
