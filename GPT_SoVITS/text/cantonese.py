"""Cantonese text to phones: two a character, one a mark (ToJyutping, loaded on first use; symbol table v2 only).

Numbers, dates and units are read by the rules of Mandarin, characters as they are written: a traditional character
tells more about its Cantonese reading than the simplified one, so text is never simplified before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from GPT_SoVITS.text.jyutping import phones_of_jyutping
from GPT_SoVITS.text.mandarin.normalise import simplified, spoken
from GPT_SoVITS.text.marks import KEPT, TO_KEPT

_loading = Lock()
_TO_MARKS = {**TO_KEPT, ord("~"): "-", ord(";"): None, ord(":"): None, ord("\n"): None}
_BARE_DOLLAR = re.compile(r"(?<![A-Za-z])\$")
_OWN_CHARACTERS = "吓"
"""Characters of written Cantonese that look like the simplified form of another one."""
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, slots=True)
class CantoneseText:
    """Normalised text with its phones; word2ph has one count a character of `norm_text`."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...]


def cantonese_phones(
    text: str, *, own_readings: Mapping[str, str] | None = None, as_written: bool = False
) -> CantoneseText:
    """Return the phones of `text` read as Cantonese.

    Args:
        text: any text; what is not Chinese, a number or a mark is left out, and so is a character without a reading.
        own_readings: word -> jyutping with tones, one syllable a character, for words to be read otherwise.
        as_written: whether simplified characters are looked up as such, which costs some of them their readings.
    """
    kept: list[str] = []
    phones: list[str] = []
    word2ph: list[int] = []
    for character, jyutping in _readings(_normalised(text), own_readings or {}, as_written):
        if character in KEPT:
            parts: tuple[str, ...] = (character,)
        elif jyutping and _HAN.match(character):
            parts = phones_of_jyutping(jyutping)
        else:
            continue
        kept.append(character)
        phones += parts
        word2ph.append(len(parts))
    return CantoneseText("".join(kept), tuple(phones), tuple(word2ph))


def _normalised(text: str) -> str:
    text = spoken(_BARE_DOLLAR.sub("。", text))
    return text.replace("...", "…").replace("-", "").translate(_TO_MARKS)


def _readings(text: str, own: Mapping[str, str], as_written: bool) -> list[tuple[str, str | None]]:
    """Each character of `text` with its jyutping, None where it has none."""
    looked_up = _library().get_jyutping_list(text if as_written else _traditional(text))
    found: list[tuple[str, str | None]] = [(c, jyutping) for c, (_, jyutping) in zip(text, looked_up, strict=True)]
    if own:
        for match in re.finditer("|".join(re.escape(word) for word in sorted(own, key=len, reverse=True)), text):
            syllables = own[match[0]].split()
            found[match.start() : match.end()] = list(zip(match[0], syllables, strict=True))
    return found


def _traditional(text: str) -> str:
    """`text` in traditional characters where its writer uses simplified ones, else as it is; the length stays."""
    if simplified(text) != text:
        return text
    converted = str(_converter().convert(text))
    if len(converted) != len(text):
        return text
    return "".join(c if c in _OWN_CHARACTERS else t for c, t in zip(text, converted, strict=True))


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("s2hk")


def _library() -> Any:
    with _loading:
        import ToJyutping

    return ToJyutping
