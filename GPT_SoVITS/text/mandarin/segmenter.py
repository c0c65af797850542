"""Words of Chinese text with their parts of speech: the algorithm and data of jieba, loaded in a fraction of its time.

The most probable division by a dictionary of word counts; runs of characters that form no word of it are divided by a
hidden Markov model whose states are a place in the word (begin, middle, end, single) and a part of speech. The data
files come with jieba; the library itself is not imported because it spends seconds on doing so.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from math import log
from typing import Any

from GPT_SoVITS.text.mandarin.hidden_markov import HiddenMarkovModel, model_of
from GPT_SoVITS.text.packages import package_file

_UNKNOWN_PART = "x"
_LONGEST_COMMON = 4
_LONGEST_KEPT = 8
"""Runs up to this length are common enough (he has, only one) to keep their division."""

Tagged = tuple[str, str]


class _DataUnpickler(pickle.Unpickler):
    """Reads plain dicts, tuples, strings and numbers; refuses everything that would run code."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"the data file asks for {module_name}.{global_name}; only plain data is read")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words with their counts and parts of speech.

    `long_starts` holds the first four characters of every word that is longer than that, `longest` is the length of
    the longest word.
    """

    counts: dict[str, int]
    parts: dict[str, str]
    long_starts: frozenset[str]
    longest: int
    log_total: float


@cache
def lexicon() -> Lexicon:
    """Return jieba's dictionary."""
    fields = package_file("jieba", "dict.txt").read_text(encoding="utf-8").split()
    words, counts = fields[0::3], list(map(int, fields[1::3]))
    long_words = [word for word in words if len(word) > _LONGEST_COMMON]
    return Lexicon(
        counts=dict(zip(words, counts, strict=True)),
        parts=dict(zip(words, fields[2::3], strict=True)),
        long_starts=frozenset(word[:_LONGEST_COMMON] for word in long_words),
        longest=max(map(len, long_words)),
        log_total=log(sum(counts)),
    )


def segment(text: str) -> list[Tagged]:
    """Return the words of `text` (Chinese characters only) with their parts of speech in jieba's notation."""
    parts = lexicon().parts
    tagged: list[Tagged] = []
    for piece, unknown in _pieces(text):
        if unknown:
            tagged += _tagged_by_model(piece) if len(piece) <= _LONGEST_KEPT else _part_model().words(piece)
        else:
            tagged.append((piece, parts.get(piece, _UNKNOWN_PART)))
    return tagged


@lru_cache(maxsize=20_000)
def _tagged_by_model(piece: str) -> tuple[Tagged, ...]:
    return tuple(_part_model().words(piece))


def shortest_part(word: str) -> str:
    """Return the first shortest among the words that make up `word` and the dictionary words inside those."""
    counts = lexicon().counts
    found: list[str] = []
    for piece, unknown in _pieces(word):
        for part in [part for part, _ in _place_model().words(piece)] if unknown else [piece]:
            for length in (2, 3):
                inner = [part[start : start + length] for start in range(len(part) - length + 1)]
                found += [some for some in inner if some in counts and some != part]
            found.append(part)
    return min(found, key=len)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The words of the most probable division; runs of lone characters that are no word come whole, marked True."""
    counts = lexicon().counts
    alone = ""
    for word in [*_most_probable(text), ""]:
        if len(word) == 1:
            alone += word
            continue
        if len(alone) > 1 and alone not in counts:
            yield alone, True
        else:
            yield from ((character, False) for character in alone)
        alone = ""
        if word:
            yield word, False


def _most_probable(text: str) -> list[str]:
    """`text` divided so that the product of the relative counts of the words is greatest, longer words first."""
    words = lexicon()
    best = [0.0] * (len(text) + 1)
    ends = [0] * len(text)
    for start in range(len(text) - 1, -1, -1):
        candidates = _ends_of_words(text, start, words) or [start + 1]
        best[start], ends[start] = max(
            (log(words.counts.get(text[start:end]) or 1) - words.log_total + best[end], end) for end in candidates
        )
    divided: list[str] = []
    start = 0
    while start < len(text):
        divided.append(text[start : ends[start]])
        start = ends[start]
    return divided


def _ends_of_words(text: str, start: int, words: Lexicon) -> list[int]:
    longest = _LONGEST_COMMON
    if text[start : start + _LONGEST_COMMON] in words.long_starts:
        longest = words.longest
    last = min(start + longest, len(text))
    return [end for end in range(start + 1, last + 1) if words.counts.get(text[start:end])]


@cache
def _part_model() -> HiddenMarkovModel:
    return model_of(
        _data("posseg/prob_start.p"),
        _data("posseg/prob_trans.p"),
        _data("posseg/prob_emit.p"),
        states_of=_data("posseg/char_state_tab.p"),
    )


@cache
def _place_model() -> HiddenMarkovModel:
    start, steps, emitted = (_data(f"finalseg/prob_{name}.p") for name in ("start", "trans", "emit"))
    return model_of(
        {(place, ""): score for place, score in start.items()},
        {(place, ""): {(after, ""): score for after, score in into.items()} for place, into in steps.items()},
        {(place, ""): characters for place, characters in emitted.items()},
        states_of={},
        last_places="ES",
    )


def _data(name: str) -> Any:
    with package_file("jieba", name).open("rb") as file:
        return _DataUnpickler(file).load()
