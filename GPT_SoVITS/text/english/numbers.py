"""Numbers in English words, without "and", with commas between the groups of three digits."""

from __future__ import annotations

_ONES = str.split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = ["", "", *str.split("twenty thirty forty fifty sixty seventy eighty ninety")]
_GROUPS = ["", *str.split("thousand million billion trillion quadrillion quintillion sextillion septillion")]
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LONGEST_NUMBER = 3 * len(_GROUPS)


def cardinal(number: str) -> str:
    """Return the whole number `number` (ASCII digits) in words; one too long to name is read digit by digit."""
    stripped = number.lstrip("0") or "0"
    if len(stripped) > _LONGEST_NUMBER:
        return digits(number)
    value = int(stripped)
    if value < 1000:
        return _below_thousand(value)
    groups: list[str] = []
    for name in _GROUPS:
        value, rest = divmod(value, 1000)
        if rest:
            groups.insert(0, f"{_below_thousand(rest)} {name}".strip())
        if not value:
            break
    return ", ".join(groups)


def year(number: str) -> str:
    """Return a number from 1001 to 2999 as years are said: in pairs (nineteen oh five, twenty twenty-four)."""
    value = int(number)
    century, rest = divmod(value, 100)
    if value % 1000 == 0:
        return f"{_ONES[value // 1000]} thousand"
    if 2000 < value < 2010:
        return f"two thousand {_ONES[rest]}"
    if rest == 0:
        return f"{_below_thousand(century)} hundred"
    return f"{_below_thousand(century)} {'oh ' if rest < 10 else ''}{_below_thousand(rest)}"


def spoken(number: str) -> str:
    """Return a whole number as it is usually said: years in pairs, everything else as a quantity."""
    value = number.lstrip("0")
    return year(value) if len(value) == 4 and 1000 < int(value) < 3000 else cardinal(number)


def digits(number: str) -> str:
    """Return the digits of `number` one by one."""
    return " ".join(_ONES[int(digit)] for digit in number if digit.isdigit())


def ordinal(number: str) -> str:
    """Return the ordinal of the whole number `number` in words (first, twenty-third, one hundredth)."""
    words = cardinal(number)
    start = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:start], words[start:]
    if last in _IRREGULAR_ORDINALS:
        return head + _IRREGULAR_ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def decimal(number: str) -> str:
    """Return `number`, which may hold one dot, in words (two point zero five)."""
    whole, dot, fraction = number.partition(".")
    if not dot:
        return spoken(whole)
    return f"{spoken(whole) if whole else 'zero'} point {digits(fraction)}"


def fraction(numerator: str, denominator: str) -> str:
    """Return numerator/denominator in words (one half, two thirds)."""
    single = numerator.lstrip("0") == "1"
    if denominator.lstrip("0") == "2":
        part = "half" if single else "halves"
    else:
        part = ordinal(denominator) + ("" if single else "s")
    return f"{cardinal(numerator)} {part}"


def decade(number: str) -> str:
    """Return a decade in words (1990 -> nineteen nineties, 80 -> eighties)."""
    words = spoken(number)
    return words[:-1] + "ies" if words.endswith("y") else words + "s"


def _below_thousand(value: int) -> str:
    hundreds, rest = divmod(value, 100)
    if hundreds and not rest:
        return f"{_ONES[hundreds]} hundred"
    head = f"{_ONES[hundreds]} hundred " if hundreds else ""
    if rest < 20:
        return head + _ONES[rest]
    tens, ones = divmod(rest, 10)
    return head + _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
