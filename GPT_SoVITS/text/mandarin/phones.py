"""Mandarin text to phones: two a character, one a mark, with the count of phones for each written character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from GPT_SoVITS.text.mandarin.normalise import normalise, simplified
from GPT_SoVITS.text.mandarin.polyphones import readings_by_context
from GPT_SoVITS.text.mandarin.readings import (
    NEUTRAL,
    Polyphones,
    Syllable,
    has_reading,
    is_phrase,
    phones_of_pinyin,
    readings,
    syllable_of,
)
from GPT_SoVITS.text.mandarin.tones import changed_er, changed_tones, is_doubled
from GPT_SoVITS.text.mandarin.words import Word, join_er, merged_words, words_of
from GPT_SoVITS.text.marks import KEPT
from GPT_SoVITS.text.symbols import COMMA, PAUSE_CARET, PAUSE_YEN

_COMMON_HAN = re.compile(r"[\u4e00-\u9fa5]")
_RUN = re.compile(r"[\u4e00-\u9fa5]+|[^\u4e00-\u9fa5]")
_PAUSES = ((re.compile(r"￥(?!\d)"), PAUSE_YEN), (re.compile(r"(?<!\d)\^|\^(?!-?\d)"), PAUSE_CARET))
"""Written signs for a longer pause; every comma of such a text becomes that pause, as the checkpoints know it."""
_LONGEST_THIRD_TONE_GROUP = 3


@dataclass(frozen=True, slots=True)
class MandarinText:
    """Normalised text with its phones; word2ph has one count a character of `norm_text`."""

    norm_text: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Readings:
    """How the characters of one run are read: place -> pinyin where their neighbours, or else the model, decide.

    A whole word of the dictionary of phrases is read as that says; the model decides about all others.
    """

    by_context: Mapping[int, str]
    by_model: Mapping[int, str]

    def syllables(self, words: list[Word]) -> list[tuple[Syllable, ...]]:
        """Return the syllables of each word of the run."""
        read: list[tuple[Syllable, ...]] = []
        start = 0
        for word in words:
            syllables = readings(word.text)
            if self.by_context or self.by_model:
                by_model = {} if not self.by_model or is_phrase(word.text) else self.by_model
                decided = (self.by_context.get(i) or by_model.get(i) for i in range(start, start + len(word.text)))
                syllables = tuple(
                    syllable_of(pinyin) if pinyin else syllable
                    for pinyin, syllable in zip(decided, syllables, strict=True)
                )
            read.append(syllables)
            start += len(word.text)
        return read


def mandarin_phones(
    text: str,
    *,
    erhua: bool = True,
    own_readings: Mapping[str, str] | None = None,
    polyphones: Polyphones | None = None,
) -> MandarinText:
    """Return the phones of `text` read as Mandarin.

    Args:
        text: any text; what is not Chinese, a number or a mark is left out, and so is a character without a reading.
        erhua: whether a final 儿 may take the tone of the syllable before it (symbol table v2 only).
        own_readings: word -> pinyin with tones (1 to 5), one syllable a character, for words to be read otherwise;
            no tone rule changes them.
        polyphones: a model that reads characters in context, if there is one.
    """
    pause = next((phone for pattern, phone in _PAUSES if pattern.search(text)), COMMA)
    kept: list[str] = []
    phones: list[str] = []
    word2ph: list[int] = []
    own = _simplified_words(own_readings or {})
    for run in _runs(normalise(text), own):
        if run in KEPT:
            spoken = [pause if run == COMMA else run]
        elif run in own:
            spoken = [phone for pinyin in own[run].split() for phone in phones_of_pinyin(syllable_of(pinyin))]
        elif _COMMON_HAN.match(run):
            spoken = _phones_of_run(run, erhua, polyphones)
        elif has_reading(run):
            spoken = list(phones_of_pinyin(readings(run)[0]))
        else:
            continue
        kept.append(run)
        phones += spoken
        word2ph += [len(spoken) // len(run)] * len(run)
    return MandarinText("".join(kept), tuple(phones), tuple(word2ph))


def _simplified_words(own_readings: Mapping[str, str]) -> dict[str, str]:
    return {simplified(word): pinyin for word, pinyin in own_readings.items()}


def _runs(norm_text: str, own: Mapping[str, str]) -> list[str]:
    """`norm_text` in runs of common characters, words with an own reading, and single marks and rare characters."""
    if not own:
        return _RUN.findall(norm_text)
    words = "|".join(re.escape(word) for word in sorted(own, key=len, reverse=True))
    pieces = re.split(f"({words})", norm_text)
    return [run for piece in pieces for run in ([piece] if piece in own else _RUN.findall(piece))]


def _phones_of_run(run: str, erhua: bool, polyphones: Polyphones | None) -> list[str]:
    phones: list[str] = []
    read = _Readings(readings_by_context(run), polyphones(run) if polyphones else {})
    words = join_er(_join_third_tones(merged_words(words_of(run)), read))
    start = 0
    for word, syllables in zip(words, read.syllables(words), strict=True):
        tones = changed_tones(word, [syllable.tone for syllable in syllables])
        if erhua:
            tones = changed_er(word, tones)
        for index, (syllable, tone) in enumerate(zip(syllables, tones, strict=True), start):
            spoken = syllable.tone if tone == NEUTRAL and index in read.by_context else tone
            phones += phones_of_pinyin(Syllable(syllable.spelling, spoken))
        start += len(word.text)
    return phones


def _join_third_tones(words: list[Word], read: _Readings) -> list[Word]:
    """Join words whose third tones meet, first those wholly in the third tone, then those that only touch in it."""
    return _join_where(_join_where(words, read, wholly=True), read, wholly=False)


def _join_where(words: list[Word], read: _Readings, *, wholly: bool) -> list[Word]:
    joined: list[Word] = []
    tones = [[syllable.tone for syllable in syllables] for syllables in read.syllables(words)]
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
