"""Korean normalisation: units, money and signs into words, Latin letters into the names of the letters."""

from __future__ import annotations

import re
import unicodedata

_LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        (
            *["에이", "비", "시", "디", "이", "에프", "지", "에이치", "아이", "제이", "케이", "엘", "엠"],
            *["엔", "오", "피", "큐", "아르", "에스", "티", "유", "브이", "더블유", "엑스", "와이", "제트"],
        ),
        strict=True,
    )
)
_UNITS = {
    "km/h": "킬로미터 퍼 아워",
    "km": "킬로미터",
    "cm": "센티미터",
    "mm": "밀리미터",
    "m": "미터",
    "m²": "제곱미터",
    "kg": "킬로그램",
    "mg": "밀리그램",
    "g": "그램",
    "t": "톤",
    "L": "리터",
    "l": "리터",
    "ml": "밀리리터",
    "mL": "밀리리터",
    "kB": "킬로바이트",
    "MB": "메가바이트",
    "GB": "기가바이트",
    "TB": "테라바이트",
    "Hz": "헤르츠",
    "kHz": "킬로헤르츠",
    "MHz": "메가헤르츠",
    "GHz": "기가헤르츠",
    "W": "와트",
    "kW": "킬로와트",
    "°C": "도",
    "℃": "도",
    "°F": "화씨 도",
    "℉": "화씨 도",
    "°": "도",
    "%p": "퍼센트포인트",
    "㎞": "킬로미터",
    "㎝": "센티미터",
    "㎜": "밀리미터",
    "㎡": "제곱미터",
    "㎏": "킬로그램",
    "㎎": "밀리그램",
    "$": "달러",
    "€": "유로",
    "£": "파운드",
    "¥": "엔",
    "₩": "원",
}
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_WITH_UNIT = re.compile(
    rf"({_NUMBER}) ?({'|'.join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))})(?![A-Za-z\d²/])"
)
_MONEY = re.compile(rf"([$€£¥₩]) ?({_NUMBER})((?:십|백|천|만|억|조)*)")
_SIGNS = {"&": " 앤드 ", "+": " 더하기 ", "×": " 곱하기 ", "÷": " 나누기 ", "=": "은 ", "@": " 골뱅이 ", "№": "번호 "}
_ARITHMETIC = re.compile(r"(?<=\d) ?([+×÷=]) ?(?=\d)")
_RANGE = re.compile(r"(?<=[\d가-힣]) ?[~～〜] ?(?=\d)")
_BESIDE_WORDS = re.compile(r"(?<=[A-Za-z\d가-힣]) ?([&@]) ?(?=[A-Za-z\d가-힣])")
_LATIN = re.compile("[A-Za-z]")
_NOT_PLAIN = re.compile(r"[^\x00-\x7f\u3131-\u318e\uac00-\ud7a3]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}


def normalise(text: str) -> str:
    """Return `text` with units, signs and Latin letters in Hangul; numbers stay, they need the words around them."""
    text = _NOT_PLAIN.sub(lambda match: _plain(match[0]), text.translate(_FULL_WIDTH))
    text = _MONEY.sub(lambda match: f"{match[2]}{match[3]}{_UNITS[match[1]]}", text)
    text = _WITH_UNIT.sub(lambda match: match[1] + _UNITS[match[2]], text)
    text = _ARITHMETIC.sub(lambda match: _SIGNS[match[1]], text)
    text = _BESIDE_WORDS.sub(lambda match: _SIGNS[match[1]], text)
    text = _RANGE.sub("에서 ", text)
    return _LATIN.sub(lambda match: _LETTERS[match[0].lower()], text)


def _plain(character: str) -> str:
    """A letter without its accent, half-width and conjoining jamo as ordinary ones; other characters unchanged."""
    base = unicodedata.normalize("NFKD", character)
    if base[0].isascii() and base[0].isalpha() and len(base) > 1 and unicodedata.combining(base[1]):
        return base[0]
    if "\uffa0" <= character <= "\uffdc":
        return unicodedata.normalize("NFKC", character)
    return character
