"""The pronouncing dictionary: CMUdict's data file, first pronunciation of each word, and a few words of our own."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files

_SPELLED_OUT = frozenset({"ae", "ai", "ar", "ios", "hud", "os"})
"""Entries that are better spelled letter by letter."""

_OWN_WORDS = {
    "json": "JH EY1 S AH0 N",
    "conda": "K AA1 N D AH0",
    "chatgpt": "CH AE1 T JH IY1 P IY1 T IY1",
    "covid": "K OW1 V IH0 D",
    "tik": "T IH1 K",
    "tok": "T AA1 K",
    "zero": "Z IY1 R OW0",
    "vs": "V ER1 S AH0 Z",
}


def pronunciation(word: str) -> list[str] | None:
    """Return the phones of `word` (lower case) or None."""
    entry = _entries().get(word)
    return entry.split() if entry else None


@cache
def _entries() -> dict[str, str]:
    packed = files("GPT_SoVITS.text").joinpath("data", "cmudict.txt.gz").read_bytes()
    entries: dict[str, str] = {}
    for line in gzip.decompress(packed).decode("utf-8").splitlines():
        word, _, phones = line.partition("#")[0].partition(" ")
        if word and not word.endswith(")") and word not in _SPELLED_OUT:
            entries.setdefault(word, phones.strip())
    return entries | _OWN_WORDS
