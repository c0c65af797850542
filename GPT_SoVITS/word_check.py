"""Listening to what was spoken: are the recognised words the ones that were to be said?

Compared are phones, by the text front-end itself, without tones: a recogniser confuses homophones even in good speech.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.symbols import MARKS, PITCH_MARKS

TOLERANCE = 0.3
"""The share of wrong phones from which a piece is spoken again."""
_NO_SOUND = {*MARKS, *PITCH_MARKS}

Samples = NDArray[np.float32]
Listener = Callable[[Samples, int, str], str]
"""Takes a waveform float32 [samples], its rate in Hz and a language (zh, en, ja, ko, yue); returns the words heard."""


def wrong_share(wanted: str, heard: str, language: str) -> float:
    """Return the phones that differ (replaced, missing or added) over those wanted.

    Args:
        wanted: the text that was to be spoken.
        heard: the text that was recognised.
        language: any name of a mode; how `wanted` is read.

    Raises:
        TextError: nothing in `wanted` can be spoken.
    """
    import jiwer

    target = _plain_phones(wanted, language)
    try:
        spoken = _plain_phones(heard, language)
    except TextError:
        return 1.0
    return float(jiwer.wer(" ".join(target), " ".join(spoken)))


def _plain_phones(text: str, language: str) -> list[str]:
    phones = [phone for piece in phones_of(text, language) for phone in piece.phones if phone not in _NO_SOUND]
    return [phone.rstrip("0123456789") or phone for phone in phones]
