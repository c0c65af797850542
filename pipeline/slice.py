"""Step 2: cut converted recordings into clips at silences; loudness is evened out a little.

A recording that came with its transcript stays whole. Clip names carry the first and last sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from GPT_SoVITS.audio import Samples, write_wav
from pipeline.context import StepContext
from pipeline.convert import SHORTEST_S, SILENCE_DBFS
from pipeline.measures import measure, speaker_mark
from pipeline.names import clip_name, converted_path, sliced_path
from pipeline.plan import Item
from pipeline.silence import SlicerRule, Span, levels, spans

HOP_S = 0.01
LONGEST_WITH_TEXT_S = 54.0
"""The longest clip that can be trained on (the public limit)."""
PEAK = 0.9
EVENED = 0.25
"""Share of the sound that is brought to the peak; the rest keeps its loudness."""
BLOCK_S = 30
RULE = SlicerRule()


def run(context: StepContext) -> None:
    """Slice every stale recording; one that gives no clip is dropped with its reason."""
    items = context.plan.stale
    for number, item in enumerate(items):
        context.progress(number, len(items), item.name)
        slice_recording(context, item)


def slice_recording(context: StepContext, item: Item) -> None:
    """Cut one recording and publish its clips; the recording is read in blocks."""
    with soundfile.SoundFile(context.root / converted_path(item.name)) as sound, context.folder() as folder:
        pieces, note = _pieces(sound, item)
        files: dict[str, Path] = {}
        refused: list[dict[str, object]] = []
        measures: dict[str, dict[str, float]] = {}
        speakers: dict[str, str] = {}
        for piece in pieces:
            context.check()
            samples = _read(sound, piece)
            if reason := _problem(samples, sound.samplerate):
                refused.append({"start": piece.start, "end": piece.end, "reason": reason})
                continue
            name = clip_name(item.name, piece.start, piece.end)
            write_wav(folder / f"{piece.start}.wav", even_loudness(samples), sound.samplerate)
            files[sliced_path(name)] = folder / f"{piece.start}.wav"
            measures[name] = measure(samples, sound.samplerate)
            speakers[name] = speaker_mark(samples, sound.samplerate)
        detail: dict[str, object] = {
            "clips": len(files), "dropped_clips": refused, "measures": measures, "speakers": speakers,
        }  # fmt: skip
        if note:
            detail["note"] = note
            context.notes.append(f"{item.name}: {note}")
        if files:
            context.publish(item, files, detail)
        else:
            context.drop(item, "no usable clip: every stretch is silent or shorter than 0.6 s", detail)


def even_loudness(samples: Samples) -> Samples:
    """Mix a quarter of the peak-normalised clip into the clip (the public slicer's 0.9 / 0.25 rule)."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return samples
    base = samples / max(peak, 1.0)
    evened: Samples = (samples * np.float32(PEAK * EVENED / peak) + base * np.float32(1 - EVENED)).astype(np.float32)
    return evened


def _pieces(sound: soundfile.SoundFile, item: Item) -> tuple[list[Span], str]:
    """Return the clips as sample ranges, and a note for people."""
    whole_s = sound.frames / sound.samplerate
    if item.text is not None and whole_s <= LONGEST_WITH_TEXT_S:
        return [Span(0, sound.frames)], ""
    hop = round(HOP_S * sound.samplerate)
    found = spans(levels(_blocks(sound), hop), RULE)
    pieces = [Span(span.start * hop, min(span.end * hop, sound.frames)) for span in found]
    if item.text is None:
        return pieces, ""
    return pieces, f"it lasts {whole_s:.0f} s, more than {LONGEST_WITH_TEXT_S:.0f} s, so its transcript is not used"


def _blocks(sound: soundfile.SoundFile) -> Iterator[Samples]:
    sound.seek(0)
    yield from sound.blocks(blocksize=BLOCK_S * sound.samplerate, dtype="float32")


def _read(sound: soundfile.SoundFile, piece: Span) -> Samples:
    sound.seek(piece.start)
    return np.asarray(sound.read(piece.end - piece.start, dtype="float32"), dtype=np.float32)


def _problem(samples: Samples, rate_hz: int) -> str | None:
    if len(samples) < SHORTEST_S * rate_hz:
        return f"shorter than {SHORTEST_S} s"
    if float(np.abs(samples).max()) < 10 ** (SILENCE_DBFS / 20):
        return "silent"
    return None
