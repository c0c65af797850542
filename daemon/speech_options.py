"""How a text is spoken: the options of a request, checked once, for all ways in which one can come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from daemon.errors import InvalidInputError
from pipeline.sound_formats import SoundFormat as SoundFormat

CUT_METHODS = ("cut0", "cut1", "cut2", "cut3", "cut4", "cut5")
MAX_SEED = 2**32 - 1
MOST_REFERENCES = 8
RANGES: dict[str, tuple[float, float]] = {
    "speed": (0.25, 4.0),
    "pause_s": (0.0, 5.0),
    "seed": (0, MAX_SEED),
    "top_k": (1, 1025),
    "top_p": (0.01, 1.0),
    "temperature": (0.01, 2.0),
    "repetition_penalty": (1.0, 3.0),
    "batch_size": (1, 64),
}
"""Least and greatest value of each number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechOptions:
    """How to speak; the defaults are those of the public inference engine."""

    cut_method: str = "cut5"
    """How the text is divided: cut0 not at all … cut5 at every mark."""
    speed: float = 1.0
    pause_s: float = 0.3
    """Seconds of silence after each piece."""
    seed: int | None = None
    """The same seed gives the same sound; None draws one."""
    top_k: int = 15
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.35
    batch_size: int = 8
    """Pieces that are spoken together."""
    other_references: tuple[str, ...] = ()
    """More recordings, named as `ref_audio` is; their timbres are averaged with it."""
    verify_words: bool = False
    """Recognise what was spoken, and speak a piece again when other words are heard."""

    def check(self) -> None:
        """Refuse values that have no meaning.

        Raises:
            InvalidInputError: names the option and what it may be.
        """
        if self.cut_method not in CUT_METHODS:
            raise InvalidInputError(f"cut_method: {self.cut_method!r} is none of {', '.join(CUT_METHODS)}")
        for name, (least, greatest) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and least <= value <= greatest):
                raise InvalidInputError(f"{name}: {value:g} does not lie between {least:g} and {greatest:g}")
        if len(self.other_references) > MOST_REFERENCES:
            raise InvalidInputError(f"other_references: at most {MOST_REFERENCES} recordings can be averaged")


def from_plain(values: dict[str, Any]) -> SpeechOptions:
    """Return the options as they were stored; ones that this version does not know are left out."""
    known = {name: value for name, value in values.items() if name in SpeechOptions.__dataclass_fields__}
    if "other_references" in known:
        known["other_references"] = tuple(known["other_references"])
    return SpeechOptions(**known)
