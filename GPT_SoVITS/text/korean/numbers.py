"""Numbers in Korean words: Sino-Korean quantities, native ones before counters, digits one by one."""

from __future__ import annotations

import re

_DIGITS = "영일이삼사오육칠팔구"
_PLACES = ("", "십", "백", "천")
_GROUPS = ("", "만", "억", "조", "경", "해")
_NATIVE_ONES = ("", *["한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"])
_NATIVE_TENS = ("", *["열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"])
_LONGEST_NUMBER = 4 * len(_GROUPS)
_LONGEST_QUANTITY = 6
_SERVICE = re.compile(r"1[12]\d")
"""Numbers that are dialled: 119, 112, 120 ..."""

NATIVE_COUNTERS = frozenset(
    str.split(
        "군데 권 개 그루 닢 대 두 마리 모 모금 뭇 발 발짝 방 번 벌 보루 살 수 술 시 쌈 "
        "움큼 정 짝 채 척 첩 축 켤레 톨 통 명 병 송이 시간 달 가지 그릇 곳 사람 자루 판 줄 끼 바퀴 갈래 칸 포기"
    )
)
"""Counters that take native numerals. 잔 is missing on purpose: the strict reference reads it with Sino-Korean ones."""


def sino(number: str) -> str:
    """Return the whole number `number` (ASCII digits) in Sino-Korean words; one too long to name digit by digit."""
    stripped = number.lstrip("0")
    if not stripped or len(stripped) > _LONGEST_NUMBER:
        return digits(number)
    words: list[str] = []
    for power in range((len(stripped) - 1) // 4, -1, -1):
        end = len(stripped) - 4 * power
        group = _below_ten_thousand(stripped[max(0, end - 4) : end])
        if group:
            only_one = group == "일" and power == 1 and not words
            words.append(("" if only_one else group) + _GROUPS[power])
    return "".join(words)


def native(number: str) -> str:
    """Return `number` as it stands before a native counter; hundreds and more stay Sino-Korean."""
    stripped = number.lstrip("0")
    if not stripped:
        return _DIGITS[0]
    if stripped == "20":
        return "스무"
    head = sino(stripped[:-2] + "00") if len(stripped) > 2 else ""
    tens, ones = divmod(int(stripped[-2:]), 10)
    return head + _NATIVE_TENS[tens] + _NATIVE_ONES[ones]


def digits(number: str) -> str:
    """Return the digits of `number` one by one."""
    return "".join(_DIGITS[int(digit)] for digit in number if digit.isdecimal())


def counted(number: str, counter: str) -> str:
    """Return a number (it may hold commas) before a counter."""
    plain = number.replace(",", "")
    return native(plain) if counter in NATIVE_COUNTERS else sino(plain)


def bare(number: str) -> str:
    """Return a number without a counter: a quantity, but codes and dialled numbers digit by digit."""
    plain = number.replace(",", "")
    code = plain.startswith("0") or (len(plain) > _LONGEST_QUANTITY and plain == number)
    return digits(plain) if code or _SERVICE.fullmatch(plain) else sino(plain)


def _below_ten_thousand(number: str) -> str:
    words = ""
    for place, digit in enumerate(reversed(number)):
        if digit != "0":
            words = ("" if digit == "1" and place else _DIGITS[int(digit)]) + _PLACES[place] + words
    return words
