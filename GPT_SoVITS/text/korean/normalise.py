"""Korean normalisation: units, money and signs into words, Latin letters into the names of the letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from GPT_SoVITS.text.korean.numbers import digits, sino

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
_PEOPLE = "남자|여자|남성|여성|청년|직장인|초반|중반|후반"
_NUMBERED = "출구|버스|문제|홈|국도|선수|트랙|승강장|게이트"
"""What is numbered, not counted, before 번."""
_MEASURES = "%|퍼센트|배|킬로|센티|밀리|그램|리터|미터|톤|인치|기가|메가|테라"
_ARITHMETIC = re.compile(r"(?<=\d) ?([+×÷=]) ?(?=\d)")
_RANGE = re.compile(r"(?<=[\d가-힣]) ?[~～〜] ?(?=\d)")
_BESIDE_WORDS = re.compile(r"(?<=[A-Za-z\d가-힣]) ?([&@]) ?(?=[A-Za-z\d가-힣])")
_SIMPLE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(오전|오후|새벽|아침|저녁|밤|낮) ?(\d{1,2}):([0-5]\d)(?!\d|:)"), lambda match: _time(match)),
    (re.compile(r"(?<![\d/])(\d{1,3})/(\d{1,3})(?![\d/])"), lambda match: f"{sino(match[2])}분의 {sino(match[1])}"),
    (re.compile(r"(?<![\d.])(\d{1,3}) ?대 ?(\d{1,3})(?!\d)"), lambda match: f"{sino(match[1])} 대 {sino(match[2])}"),
    (re.compile(rf"(?<!\d)([1-9]0)대(?= ?(?:{_PEOPLE}))"), lambda match: f"{sino(match[1])}대"),
    (re.compile(rf"(?<!\d)(\d{{1,4}})번(?= ?(?:{_NUMBERED}))"), lambda match: f"{sino(match[1])}번"),
    (re.compile(rf"(?<![\d.])(\d+)\.(\d+)(?= ?(?:{_MEASURES}))"), lambda m: f"{sino(m[1])}점 {digits(m[2])}"),
)
_LATIN = re.compile("[A-Za-z]")
_NOT_PLAIN = re.compile(r"[^\x00-\x7f\u3131-\u318e\uac00-\ud7a3]")
_FULL_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}


def normalise(text: str) -> str:
    """Return `text` with units, signs and Latin letters in Hangul; numbers stay, they need the words around them."""
    text = _NOT_PLAIN.sub(lambda match: _plain(match[0]), text.translate(_FULL_WIDTH))
    text = _MONEY.sub(lambda match: f"{match[2]}{match[3]}{_UNITS[match[1]]}", text)
    text = _WITH_UNIT.sub(lambda match: match[1] + _UNITS[match[2]], text)
    for pattern, words in _SIMPLE:
        text = pattern.sub(words, text)
    text = _ARITHMETIC.sub(lambda match: _SIGNS[match[1]], text)
    text = _BESIDE_WORDS.sub(lambda match: _SIGNS[match[1]], text)
    text = _RANGE.sub("에서 ", text)
    return _LATIN.sub(lambda match: _LETTERS[match[0].lower()], text)


def _time(match: re.Match[str]) -> str:
    return f"{match[1]} {match[2]}시" + (f" {sino(match[3])}분" if match[3] != "00" else "")


def _plain(character: str) -> str:
    """A letter without its accent, half-width and conjoining jamo as ordinary ones; other characters unchanged."""
    base = unicodedata.normalize("NFKD", character)
    if base[0].isascii() and base[0].isalpha() and len(base) > 1 and unicodedata.combining(base[1]):
        return base[0]
    if "\uffa0" <= character <= "\uffdc":
        return unicodedata.normalize("NFKC", character)
    return character
