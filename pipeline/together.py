"""A feature step in one process: clips are prepared and published one by one, and several are in an encoder at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from GPT_SoVITS.errors import AudioError, TextError, TrainingDataError
from pipeline.context import StepContext
from pipeline.plan import Item
from pipeline.shards import encoder_device, stale_clips

CLIPS_TOGETHER, CLIPS_TOGETHER_ON_CPU = 16, 4
"""Clips that are prepared before an encoder hears them; it divides them further by their lengths. A CPU takes seconds
for each, and a cancelled job stops between two groups."""

Prepared = TypeVar("Prepared")
Made = TypeVar("Made")


@contextmanager
def _dropping(context: StepContext, item: Item) -> Iterator[None]:
    """Drop the clip if it turns out to be unusable."""
    try:
        yield
    except (AudioError, TextError, TrainingDataError) as error:
        context.drop(item, str(error))


def make_together(
    context: StepContext,
    prepare: Callable[[Item, Path], Prepared],
    encode: Callable[[Sequence[Prepared]], Sequence[Made]],
    publish: Callable[[Item, Prepared, Made, Path], None],
) -> None:
    """Make the stale clips of a step; one that cannot be used is dropped with its reason, and the others go on.

    Args:
        context: the step's.
        prepare: reads a clip and refuses what the encoder could not use; it may write into an empty folder of its own.
        encode: runs the encoder over several clips.
        publish: puts the files of a clip into place, or refuses what the encoder made; it gets the same folder.

    Raises:
        Cancelled: the job was.
        OSError: files cannot be read or written.
    """
    clips = stale_clips(context)
    together = CLIPS_TOGETHER_ON_CPU if encoder_device(context.inputs.config) == "cpu" else CLIPS_TOGETHER
    for start in range(0, len(clips), together):
        with context.folder() as scratch:
            ready: list[tuple[Item, Path, Prepared]] = []
            for number, item in enumerate(clips[start : start + together]):
                context.check()
                own = scratch / str(number)
                own.mkdir()
                with _dropping(context, item):
                    ready.append((item, own, prepare(item, own)))
            made = encode([prepared for _, _, prepared in ready])
            for done, ((item, own, prepared), each) in enumerate(zip(ready, made, strict=True)):
                context.progress(start + done, len(clips), item.name)
                with _dropping(context, item):
                    publish(item, prepared, each, own)
    context.progress(len(clips), len(clips))
