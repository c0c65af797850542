"""Korean text to phones: compatibility jamo, diphthongs as two vowels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from GPT_SoVITS.text.korean.normalise import normalise
from GPT_SoVITS.text.korean.sounds import sounds
from GPT_SoVITS.text.marks import KEPT, TO_KEPT
from GPT_SoVITS.text.symbols import KOREAN_BLANK, KOREAN_CONSONANTS, KOREAN_STOP, KOREAN_VOWELS

_ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_CODAS = str.split(
    "ㄱ ㄲ ㄱㅅ ㄴ ㄴㅈ ㄴㅎ ㄷ ㄹ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅁ ㅂ ㅂㅅ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ"
)
_TWO_VOWELS = dict(
    zip(
        "ㅘㅙㅚㅝㅞㅟㅢㅑㅒㅕㅖㅛㅠ",
        ["ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅡㅣ", "ㅣㅏ", "ㅣㅐ", "ㅣㅓ", "ㅣㅔ", "ㅣㅗ", "ㅣㅜ"],
        strict=True,
    )
)
_TWO_CONSONANTS = dict(zip("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ", (coda for coda in _CODAS if len(coda) == 2), strict=True))
_WRITTEN = {
    **{chr(0x1100 + place): jamo for place, jamo in enumerate(_ONSETS)},
    **{chr(0x1161 + place): _TWO_VOWELS.get(jamo, jamo) for place, jamo in enumerate(_VOWELS)},
    **{chr(0x11A8 + place): jamo for place, jamo in enumerate(_CODAS)},
    **_TWO_VOWELS,
    **_TWO_CONSONANTS,
}
_OBJECT_BEFORE_RIEUL = re.compile("(?<=[ᄋᄅ]ᅳᆯ )ᄅ")
_JAMO = frozenset((*KOREAN_CONSONANTS, *KOREAN_VOWELS))
_KNOWN = _JAMO | frozenset(KEPT)


@dataclass(frozen=True, slots=True)
class KoreanText:
    """Normalised text with its phones."""

    norm_text: str
    phones: tuple[str, ...]


def korean_phones(text: str) -> KoreanText:
    """Return the phones of `text` read as Korean: 空 for a blank, 停 for what cannot be spoken.

    A text that ends in a sound gets a full stop, as the checkpoints expect.
    """
    norm_text = normalise(text)
    heard = _OBJECT_BEFORE_RIEUL.sub("ᄂ", sounds(norm_text))
    phones = [phone for character in heard for phone in _phones(character)]
    if phones and phones[-1] in _JAMO:
        phones.append(".")
    return KoreanText(norm_text, tuple(phones))


def _phones(character: str) -> str:
    if (written := _WRITTEN.get(character)) is not None:
        return written
    mark = character.translate(TO_KEPT)
    if mark in _KNOWN:
        return mark
    return KOREAN_BLANK if mark.isspace() else KOREAN_STOP
