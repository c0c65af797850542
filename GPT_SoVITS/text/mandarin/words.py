"""Chinese words with their parts of speech, joined where their tones depend on each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from GPT_SoVITS.text.mandarin.segmenter import segment, shortest_part


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its part of speech in jieba's notation (n, v, a, r, m, uj ...)."""

    text: str
    part: str


def words_of(text: str) -> list[Word]:
    """Return the words of `text`, which holds Chinese characters only."""
    return [Word(word, part) for word, part in segment(text)]


@lru_cache(maxsize=20_000)
def halves(word: str) -> tuple[str, str]:
    """Return `word` split at its shortest sub-word; the second half is empty where there is nothing to split."""
    shortest = shortest_part(word)
    if word.startswith(shortest):
        return shortest, word[len(shortest) :]
    return word[: -len(shortest)], shortest


def merged_words(words: Iterable[Word]) -> list[Word]:
    """Return `words` with those joined whose tones depend on each other: around 不, 一 and 儿, and doubled words."""
    merged = _join_bu(list(words))
    merged = _join_repeated_verbs(merged)
    merged = _join_yi(merged)
    return _join_doubled(merged)


def join_er(words: Iterable[Word]) -> list[Word]:
    """Return `words` with every 儿 joined to the word before it."""
    joined: list[Word] = []
    for word in words:
        if word.text == "儿" and joined:
            joined[-1] = Word(joined[-1].text + "儿", joined[-1].part)
        else:
            joined.append(word)
    return joined


def _join_bu(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    for word in words:
        if joined and joined[-1].text == "不":
            joined[-1] = Word("不" + word.text, word.part)
        else:
            joined.append(word)
    return joined


def _join_repeated_verbs(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    position = 0
    while position < len(words):
        word = words[position]
        before = words[position - 1] if position else None
        after = words[position + 1] if position + 1 < len(words) else None
        if word.text == "一" and before and after and before.text == after.text and before.part == "v":
            joined[-1] = Word(joined[-1].text + "一" + after.text, joined[-1].part)
            position += 2
        else:
            joined.append(word)
            position += 1
    return joined


def _join_yi(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    for word in words:
        if joined and joined[-1].text == "一":
            joined[-1] = Word("一" + word.text, joined[-1].part)
        else:
            joined.append(word)
    return joined


def _join_doubled(words: list[Word]) -> list[Word]:
    joined: list[Word] = []
    for word in words:
        if joined and joined[-1].text == word.text:
            joined[-1] = Word(joined[-1].text + word.text, joined[-1].part)
        else:
            joined.append(word)
    return joined
