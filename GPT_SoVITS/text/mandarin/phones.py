"""Mandarin text to phones: two a character, one a mark, with the count of phones for each written character."""

from __future__ import annotations

import re
from dataclasses import dataclass

from GPT_SoVITS.text.mandarin.normalise import normalise
from GPT_SoVITS.text.mandarin.readings import phones_of_syllable, readings
from GPT_SoVITS.text.mandarin.tones import changed_er, changed_tones, is_doubled
from GPT_SoVITS.text.mandarin.words import Word, join_er, merged_words, words_of
from GPT_SoVITS.text.symbols import COMMA, PAUSE_CARET, PAUSE_YEN

_RUN = re.compile(r"[\u4e00-\u9fa5]+|[^\u4e00-\u9fa5]")
_PAUSES = ((re.compile(r"￥(?!\d)"), PAUSE_YEN), (re.compile(r"\^"), PAUSE_CARET))
"""Written signs for a longer pause; every comma of such a text becomes that pause, as the checkpoints know it."""
_LONGEST_THIRD_TONE_GROUP = 3


@dataclass(frozen=True, slots=True)
class MandarinText:
    """Normalised text with its phones; word2ph has one count a character of `norm_text`."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...]


def mandarin_phones(text: str, *, erhua: bool = True) -> MandarinText:
    """Return the phones of `text` read as Mandarin.

    Args:
        text: any text; what is not Chinese, a number or a mark is left out.
        erhua: whether a final 儿 may take the tone of the syllable before it (symbol table v2 only).
    """
    pause = next((phone for pattern, phone in _PAUSES if pattern.search(text)), COMMA)
    norm_text = normalise(text)
    phones: list[str] = []
    word2ph: list[int] = []
    for run in _RUN.findall(norm_text):
        if "\u4e00" <= run[0] <= "\u9fa5":
            phones += _phones_of_run(run, erhua)
            word2ph += [2] * len(run)
        else:
            phones.append(pause if run == COMMA else run)
            word2ph.append(1)
    return MandarinText(norm_text, tuple(phones), tuple(word2ph))


def _phones_of_run(run: str, erhua: bool) -> list[str]:
    phones: list[str] = []
    for word in join_er(_join_third_tones(merged_words(words_of(run)))):
        syllables = readings(word.text)
        tones = changed_tones(word, [syllable.tone for syllable in syllables])
        if erhua:
            tones = changed_er(word, tones)
        for syllable, tone in zip(syllables, tones, strict=True):
            first, second = phones_of_syllable(syllable.spelling)
            phones += [first, f"{second}{tone}"]
    return phones


def _join_third_tones(words: list[Word]) -> list[Word]:
    """Join words whose third tones meet, first those wholly in the third tone, then those that only touch in it."""
    return _join_where(_join_where(words, wholly=True), wholly=False)


def _join_where(words: list[Word], *, wholly: bool) -> list[Word]:
    joined: list[Word] = []
    tones = [[syllable.tone for syllable in readings(word.text)] for word in words]
    chained = False
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        meets = before is not None and not chained and _third_tones_meet(tones[index - 1], tones[index], wholly)
        if before is not None and meets and _may_join(before, word):
            joined[-1] = Word(joined[-1].text + word.text, joined[-1].part)
            chained = True
        else:
            joined.append(word)
            chained = False
    return joined


def _third_tones_meet(before: list[int], after: list[int], wholly: bool) -> bool:
    if wholly:
        return set(before) == {3} and set(after) == {3}
    return before[-1] == 3 and after[0] == 3


def _may_join(before: Word, after: Word) -> bool:
    return not is_doubled(before.text) and len(before.text) + len(after.text) <= _LONGEST_THIRD_TONE_GROUP
