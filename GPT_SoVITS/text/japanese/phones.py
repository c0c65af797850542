"""Japanese text to phones with accent marks (Open JTalk), loaded on first use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import Any

from GPT_SoVITS.text.japanese.normalise import normalise
from GPT_SoVITS.text.marks import KEPT, TO_KEPT, collapse_runs
from GPT_SoVITS.text.symbols import PAD, UNKNOWN

_SPOKEN = r"[A-Za-z\d\u3005\u3006\u3040-\u30ff\u4e00-\u9fff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]"
_RUN = re.compile(rf"{_SPOKEN}{{1,400}}|.", re.DOTALL)
_STARTS_SPOKEN = re.compile(_SPOKEN)
_SILENT_ALONE = re.compile(r"[\u3005\u3006\u30fb\u30fc\uff70]+")
_LABEL = re.compile(
    r"-(?P<phone>[^+]*)\+.*?/A:(?P<accent>-?\d+|xx)\+(?P<mora>\d+|xx)\+(?P<rest>\d+|xx)/.*?/F:(?P<moras>\d+|xx)_"
)
_ABSENT = -50
_MORA_ENDS = {"a", "e", "i", "o", "u", "N", "cl"}
_loading = Lock()


@dataclass(frozen=True, slots=True)
class JapaneseText:
    """Normalised text with its phones."""

    norm_text: str
    phones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """One phone of a full-context label: distance to the accent nucleus, mora counted from both ends, mora count."""

    phone: str
    accent: int
    mora: int
    moras_left: int
    moras: int


def japanese_phones(text: str) -> JapaneseText:
    """Return the phones of `text` read as Japanese.

    `[` is a rise, `]` a fall, UNK the border of an accent phrase (the checkpoints were trained so), `_` a pause.
    """
    norm_text = collapse_runs(normalise(text))
    spoken = re.sub("[%％]", "パーセント", norm_text).lower()
    phones: list[str] = []
    for run in _RUN.findall(spoken):
        if _SILENT_ALONE.fullmatch(run):
            continue
        if _STARTS_SPOKEN.match(run):
            phones += _phones_of_labels(_labels(run))
        elif not run.isspace() or run == "\n":
            mark = run.translate(TO_KEPT)
            phones.append(mark if mark in KEPT else UNKNOWN)
    return JapaneseText(norm_text, tuple(phones))


def _phones_of_labels(labels: list[Label]) -> list[str]:
    """Phones with accent marks, after Kurihara et al. 2021 (prosodic features control by symbols)."""
    phones: list[str] = []
    for index, label in enumerate(labels):
        if label.phone == "sil":
            continue
        if label.phone == "pau":
            phones.append(PAD)
            continue
        phone = label.phone.lower() if label.phone in "AEIOU" else label.phone
        phones.append(phone)
        next_mora = labels[index + 1].mora if index + 1 < len(labels) else _ABSENT
        if label.moras_left == 1 and next_mora == 1 and phone in _MORA_ENDS:
            phones.append(UNKNOWN)
        elif label.accent == 0 and next_mora == label.mora + 1 and label.mora != label.moras:
            phones.append("]")
        elif label.mora == 1 and next_mora == 2:
            phones.append("[")
    return phones


def _labels(text: str) -> list[Label]:
    with _loading:
        written = _engine().extract_fullcontext(text)
    return [_label(*found.groups()) for line in written if (found := _LABEL.search(line))]


@lru_cache(maxsize=20_000)
def _label(phone: str, *counts: str) -> Label:
    return Label(phone, *(_ABSENT if count == "xx" else int(count) for count in counts))


@cache
def _engine() -> Any:
    import pyopenjtalk

    return pyopenjtalk
