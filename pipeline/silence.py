"""Where to cut a long recording: the RMS rule of the public audio slicer, and a rule for stretches without a pause.

The rule (openvpi's audio-slicer, second version, as GPT-SoVITS uses it): loudness is measured every 10 ms; a silence
that is long enough ends a clip once the clip is long enough; the cut is at the quietest point, and of a long silence
at most `kept_frames` stay on either side. All positions here are frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float64]

WINDOW_HOPS = 4
"""Loudness is measured over 40 ms."""


@dataclass(frozen=True, slots=True)
class SlicerRule:
    """The public defaults; lengths in frames of 10 ms."""

    threshold_db: float = -34.0
    min_length_frames: int = 400
    min_interval_frames: int = 30
    kept_frames: int = 50
    forced_min_frames: int = 400
    """A stretch without a pause is cut no earlier than this ..."""
    forced_max_frames: int = 1500
    """... and no later than this."""
    speech_above_threshold_db: float = 12.0
    """In a recording so quiet that speech is nearer to the threshold than this, the threshold is lowered."""


@dataclass(frozen=True, slots=True)
class Span:
    """Frames [start, end)."""

    start: int
    end: int


def levels(blocks: Iterable[npt.NDArray[np.float32]], hop_samples: int) -> Levels:
    """Return the RMS around every hop: float64 [samples // hop + 1], computed block by block.

    Frame i covers the 40 ms around sample i * hop; outside of the recording there is silence.
    """
    energies = np.concatenate([np.zeros(WINDOW_HOPS // 2), *_hop_energies(blocks, hop_samples)])
    padded = np.concatenate([energies, np.zeros(WINDOW_HOPS)])
    total = np.concatenate([[0.0], np.cumsum(padded)])
    frames = len(energies) - WINDOW_HOPS // 2 + 1
    sums = total[WINDOW_HOPS : WINDOW_HOPS + frames] - total[:frames]
    measured: Levels = np.sqrt(np.maximum(sums, 0.0) / (WINDOW_HOPS * hop_samples))
    return measured


def threshold_for(rms: Levels, rule: SlicerRule) -> float:
    """Return the linear level below which a frame is silent."""
    loud = float(np.quantile(rms, 0.95)) if len(rms) else 0.0
    loud_db = 20 * np.log10(loud) if loud > 0 else rule.threshold_db
    return float(10 ** (min(rule.threshold_db, loud_db - rule.speech_above_threshold_db) / 20))


def spans(rms: Levels, rule: SlicerRule) -> list[Span]:
    """Return the stretches to keep, none longer than `forced_max_frames`."""
    kept = _between_silences(rms, rule)
    return [piece for span in kept for piece in _forced(span, rms, rule)]


def _hop_energies(blocks: Iterable[npt.NDArray[np.float32]], hop_samples: int) -> Iterator[Levels]:
    rest = np.zeros(0, np.float32)
    for block in blocks:
        joined = np.concatenate([rest, block])
        whole = len(joined) // hop_samples * hop_samples
        yield np.square(joined[:whole].reshape(-1, hop_samples), dtype=np.float64).sum(axis=1)
        rest = joined[whole:]
    # The frame count of a recording is samples // hop + 1, so an incomplete last hop only adds to the last frame.
    yield np.array([np.square(rest, dtype=np.float64).sum()]) if len(rest) else np.zeros(0)


def _between_silences(rms: Levels, rule: SlicerRule) -> list[Span]:
    frames = len(rms)
    if frames <= rule.min_length_frames:
        return [Span(0, frames)]
    cuts = _silences_to_cut(rms, rule)
    starts = [0, *(cut.end for cut in cuts)]
    ends = [*(cut.start for cut in cuts), frames]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True) if end > start]


def _silences_to_cut(rms: Levels, rule: SlicerRule) -> list[Span]:
    """Return what is left out: for each silence that ends a clip the frames from one quiet point to the other."""
    cuts: list[Span] = []
    clip_start = 0
    for silence in _runs(rms < threshold_for(rms, rule)):
        long_enough = silence.end - silence.start >= rule.min_interval_frames
        if silence.end == len(rms):
            if long_enough:
                cuts.append(Span(_quietest(rms, silence.start, silence.start + rule.kept_frames), len(rms)))
            continue
        leading = silence.start == 0 and silence.end > rule.kept_frames
        if leading or (long_enough and silence.end - clip_start >= rule.min_length_frames):
            cuts.append(_cut_inside(rms, silence, rule))
            clip_start = cuts[-1].end
    return cuts


def _cut_inside(rms: Levels, silence: Span, rule: SlicerRule) -> Span:
    kept = rule.kept_frames
    if silence.end - silence.start <= kept:
        left = right = _quietest(rms, silence.start, silence.end)
    else:
        left = _quietest(rms, silence.start, silence.start + kept)
        right = _quietest(rms, silence.end - kept, silence.end)
        if silence.end - silence.start <= 2 * kept:
            middle = _quietest(rms, silence.end - kept, silence.start + kept)
            left, right = min(left, middle), max(right, middle)
    return Span(0 if silence.start == 0 else left, right)


def _forced(span: Span, rms: Levels, rule: SlicerRule) -> Iterator[Span]:
    """Cut what has no pause at its quietest points; both sides of every cut stay at least `forced_min_frames` long."""
    start = span.start
    while span.end - start > rule.forced_max_frames:
        latest = min(start + rule.forced_max_frames, span.end - rule.forced_min_frames)
        cut = _quietest(rms, start + rule.forced_min_frames, latest)
        yield Span(start, cut)
        start = cut
    yield Span(start, span.end)


def _runs(silent: npt.NDArray[np.bool_]) -> list[Span]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    return [Span(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _quietest(rms: Levels, first: int, last: int) -> int:
    """Return the frame of least loudness in first..last (both included)."""
    return first + int(np.argmin(rms[first : last + 1]))
