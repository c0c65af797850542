"""Numbers in Chinese characters: quantities, decimals, digits one by one."""

from __future__ import annotations

DIGITS = "零一二三四五六七八九"
_SMALL_UNITS = ("", "十", "百", "千")
_LARGE_UNITS = ((10**8, "亿"), (10**4, "万"))
_LONGEST_QUANTITY = 20


def each_digit(number: str) -> str:
    """Return `number` read digit by digit; a dot is read 点."""
    return "".join("点" if character == "." else DIGITS[int(character)] for character in number)


def each_digit_called_out(number: str) -> str:
    """Return `number` read digit by digit as in telephone numbers, 1 as 幺; anything else is left out."""
    return each_digit("".join(c for c in number if c.isdigit())).replace("一", "幺")


def quantity(number: str) -> str:
    """Return the quantity `number` in words, too long ones digit by digit; a dot and commas may be in it."""
    whole, _, fraction = number.replace(",", "").partition(".")
    spoken = _whole(whole or "0")
    if "." not in number:
        return spoken
    shortened = fraction.rstrip("0")
    return f"{spoken}点{each_digit(shortened + '0' if shortened != fraction else fraction)}"


def _whole(number: str) -> str:
    number = number.lstrip("0")
    if len(number) > _LONGEST_QUANTITY:
        return each_digit(number)
    spoken = _words(int(number or "0")) or "零"
    return spoken[1:] if spoken.startswith("一十") else spoken


def _words(value: int) -> str:
    for size, unit in _LARGE_UNITS:
        if value >= size:
            high, low = divmod(value, size)
            gap = "零" if 0 < low < size // 10 else ""
            return f"{_words(high)}{unit}{gap}{_words(low)}"
    return _four_digits(str(value)) if value else ""


def _four_digits(group: str) -> str:
    spoken = ""
    gap = False
    for position, digit in enumerate(group):
        if digit == "0":
            gap = True
            continue
        if gap:
            spoken += "零"
        gap = False
        spoken += DIGITS[int(digit)] + _SMALL_UNITS[len(group) - 1 - position]
    return spoken
