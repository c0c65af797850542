"""Rules that read the numbers of a Chinese text: dates, times, money, telephones, quantities, ranges and formulas.

Each rule is a pattern and the words for what it matches. The rules run in order, so that a later one sees only what
the earlier ones left; every pattern bounds its repetitions, which keeps the whole linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from GPT_SoVITS.text.mandarin.numbers import each_digit, each_digit_called_out, quantity
from GPT_SoVITS.text.mandarin.units import (
    CURRENCIES,
    CURRENCY_PATTERN,
    MEASURE_PATTERN,
    NOT_TWO_AS_PAIR,
    SUPERSCRIPTS,
    UNIT_PATTERN,
    UNITS,
)

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,12}(?![\d,])|\d{1,40})(?:\.\d{1,40})?"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[5-9]|20)\d\d"
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
_LASTED = "用了|用时|耗时|历时|时长|长达|花了|全长|片长|总长|成绩是|成绩为"
_BEAT = "战胜|击败|获胜|取胜|领先|落后|逆转|险胜|大胜|完胜|惜败|负于|不敌|告负|打平|战平"
_CALL = "(?:[电電]话|[电電]話|手[机機]|[热熱][线線]|致[电電]|[联聯][络絡]|[传傳]真)"
_DEGREE = "(?:℃|°C|[摄攝]氏度)"
_CHINESE_NUMERAL = "零一二三四五六七八九十百千万亿两半"
_LATEST_OLD_YEAR = 60
_LONGEST_ROUND_DIGITS = 9


def apply(rules: list[Rule], text: str) -> str:
    """Return `text` after all `rules` in their order."""
    for pattern, words in rules:
        text = pattern.sub(words, text)
    return text


def _counted(number: str, measure: str = "") -> str:
    """A quantity before what it counts: exactly 2 is 两, except where it counts in order."""
    if number == "2" and measure not in NOT_TWO_AS_PAIR:
        return "两"
    return quantity(number)


def _money(match: re.Match[str]) -> str:
    whole, _, cents = match["number"].partition(".")
    cents = cents.rstrip("0")
    amount = f"{whole}.{cents}" if cents else whole
    sign = "负" if match["minus"] or match["below"] else ""
    return f"{sign}{_counted(amount)}{match['size']}{CURRENCIES[match['currency']]}"


def _thousand_fold(match: re.Match[str]) -> str:
    factor = 1000 if match[2] in "kK" else 10_000
    return quantity(f"{float(match[1]) * factor:.0f}")


def _year_range(match: re.Match[str]) -> str:
    return f"{each_digit(match[1])}到{each_digit(match[2])}{match[3]}"


def _date_in_characters(match: re.Match[str]) -> str:
    year, month, day = match[1], match[2], match[3]
    spoken = f"{each_digit(year)}年"
    if month:
        spoken += f"{quantity(month)}月"
    if day:
        spoken += f"{quantity(day)}{match[4]}"
    return spoken


def _short_year(match: re.Match[str]) -> str:
    old = match[1].startswith("0") or int(match[1]) >= _LATEST_OLD_YEAR
    return f"{each_digit(match[1]) if old else quantity(match[1])}年"


def _date_in_digits(match: re.Match[str]) -> str:
    return f"{each_digit(match[1])}年{quantity(match[3])}月{quantity(match[4])}日"


def _clock(time: str) -> str:
    hour, minute, *second = time.split(":")
    spoken = ("两" if int(hour) == 2 else quantity(hour)) + "点"
    if minute == "30" and not second:
        spoken += "半"
    elif minute != "00" or (second and second[0] != "00"):
        spoken += ("零" if minute[0] == "0" and minute != "00" else "") + quantity(minute) + "分"
    if second and second[0] != "00":
        spoken += ("零" if second[0][0] == "0" else "") + quantity(second[0]) + "秒"
    return spoken


def _clock_of_day(match: re.Match[str]) -> str:
    half = (match[2] or "").lower().replace(".", "")
    return {"am": "上午", "pm": "下午"}.get(half, "") + _clock(match[1])


def _clock_range(match: re.Match[str]) -> str:
    return f"{_clock(match[1])}至{_clock(match[2])}"


def _duration(match: re.Match[str]) -> str:
    parts = match[2].split(":")
    names = ("小时", "分", "秒")[-len(parts) :] if len(parts) > 2 else ("分", "秒")
    spoken = "".join(_counted(str(int(part))) + name for part, name in zip(parts, names, strict=True) if int(part))
    return match[1] + (spoken or "零秒")


def _called_out(match: re.Match[str]) -> str:
    return each_digit_called_out(match[0])


def _group_called_out(match: re.Match[str]) -> str:
    return each_digit_called_out(match[1])


def _local_call(match: re.Match[str]) -> str:
    return match[1] + each_digit_called_out(match[2] + match[3])


def _each_digit(match: re.Match[str]) -> str:
    return each_digit(match[1])


def _temperature(match: re.Match[str]) -> str:
    return f"{'零下' if match[1] else ''}{quantity(match[2])}度"


def _temperature_range(match: re.Match[str]) -> str:
    first = f"{'零下' if match[1] else ''}{quantity(match[2])}度"
    second = f"{'零下' if match[3] else ''}{quantity(match[4])}度"
    return f"{first}至{second}"


def _angle(match: re.Match[str]) -> str:
    spoken = f"{quantity(match[1])}度"
    if match[2]:
        spoken += f"{quantity(match[2])}分"
    return spoken + (f"{quantity(match[3])}秒" if match[3] else "")


def _minutes_and_seconds(match: re.Match[str]) -> str:
    return f"{_counted(match[1])}分{quantity(match[2])}秒"


def _with_unit(match: re.Match[str]) -> str:
    return f"{match[1].replace('-', '负')}{_counted(match[2])}{UNITS[match[3]]}"


def _hours_and_minutes(match: re.Match[str]) -> str:
    names = {"h": "小时", "min": "分", "m": "分", "s": "秒"}
    parts = re.findall(r"(\d+)([a-z]+)", match[0])
    return "".join(_counted(number) + names[unit] for number, unit in parts)


def _body_height(match: re.Match[str]) -> str:
    return f"{quantity(match[1])}米{each_digit(match[2])}"


def _unit_range(match: re.Match[str]) -> str:
    return f"{_counted(match[1])}{UNITS.get(match[2] or '', '')}到{_counted(match[3])}{UNITS[match[4]]}"


def _power(match: re.Match[str]) -> str:
    exponent = match[2].translate(SUPERSCRIPTS).lstrip("^")
    sign = "负" if exponent.startswith("-") else ""
    base = quantity(match[1]) if match[1].isdigit() else match[1]
    return f"{base}的{sign}{quantity(exponent.replace('-', ''))}次方"


def _equation(match: re.Match[str]) -> str:
    if not set(match[0]) & set("+×÷="):
        return match[0]
    written = match[0].replace("=-", "=负").replace("-", "减")
    return re.sub(_NUMBER, _quantity, written)


def _comparison(match: re.Match[str]) -> str:
    return quantity(match[1]) + {">": "大于", "<": "小于", ">=": "大于等于", "<=": "小于等于"}[match[2]]


def _fraction(match: re.Match[str]) -> str:
    return f"{'负' if match[1] else ''}{quantity(match[3])}分之{quantity(match[2])}"


def _share(number: str, sign: str) -> str:
    whole = "百" if sign == "%" else "千"
    return f"{whole}分之{quantity(number)}"


def _percent(match: re.Match[str]) -> str:
    return f"{'负' if match[1] else ''}{_share(match[2], match[3])}"


def _percent_range(match: re.Match[str]) -> str:
    return f"{_share(match[1], '%')}到{_share(match[2], '%')}"


def _number_range(match: re.Match[str]) -> str:
    first, second, measure = match[1], match[2], match[3] or ""
    if not measure:
        return f"{quantity(first)}到{quantity(second)}"
    return f"{_counted(first, measure)}到{_counted(second, measure)}{measure}"


def _negative(match: re.Match[str]) -> str:
    return f"负{quantity(match[1])}"


def _ordinal(match: re.Match[str]) -> str:
    return f"第{quantity(match[1])}"


def _measured(match: re.Match[str]) -> str:
    number, more, measure = match[1], match[2].replace("+", "多"), match[3]
    return f"{_counted(number, measure)}{more}{measure}"


def _rest(match: re.Match[str]) -> str:
    digits = match[0]
    if len(digits) <= 2 or (digits.endswith("00") and digits[0] != "0" and len(digits) <= _LONGEST_ROUND_DIGITS):
        return quantity(digits)
    return each_digit_called_out(digits)


def _quantity(match: re.Match[str]) -> str:
    return quantity(match[0])


def _ratio(match: re.Match[str]) -> str:
    return f"{quantity(match[1])}比{quantity(match[2])}"


def _to(match: re.Match[str]) -> str:
    return "到"


def _compiled(written: list[tuple[str, Callable[[re.Match[str]], str]]]) -> list[Rule]:
    return [(re.compile(pattern), words) for pattern, words in written]


_CURRENCY = f"(?P<currency>{CURRENCY_PATTERN})"

LATIN_QUANTITY_RULES: list[Rule] = _compiled(
    [
        (rf"(?P<minus>-?)(?<![A-Za-z]){_CURRENCY}(?P<below>-?)(?P<number>{_NUMBER})(?P<size>[万亿萬億]?)", _money),
        (r"(?<![A-Za-z])[Nn][Oo]\.(\d{1,6})(?!\d|\.\d)", _ordinal),
        (rf"(?<![\d:.])({_TIME}) ?([AaPp]\.?[Mm]\.?)(?![A-Za-z])", _clock_of_day),
        (r"(?<=[GDCTZKLgdctzkl])(\d{1,4})(?=次)", _group_called_out),
        (r"(?<![A-Za-z\d.])(\d{1,4}(?:\.\d{1,2})?)([kKw])(?![A-Za-z\d])", _thousand_fold),
        (r"(?<![A-Za-z\d.])(?:\d{1,4}(?:h|min|m|s)){2,3}(?![A-Za-z\d])", _hours_and_minutes),
        (r"(?<![A-Za-z\d.])([12])m(\d\d)(?![A-Za-z\d])", _body_height),
        (rf"(?<![A-Za-z\d.])(-?)({_NUMBER}) ?{_DEGREE}?[~-](-?)({_NUMBER}) ?{_DEGREE}", _temperature_range),
        (rf"(?<![A-Za-z\d.])(-?)({_NUMBER}) ?{_DEGREE}", _temperature),
        (rf"(?<![A-Za-z\d.])({_NUMBER})({UNIT_PATTERN})?[~-]({_NUMBER}) ?({UNIT_PATTERN})(?![A-Za-z\d])", _unit_range),
        (rf"(?<![A-Za-z.])(?<!\d)(-?)({_NUMBER}) ?({UNIT_PATTERN})(?![A-Za-z]|[²³])", _with_unit),
    ]
)
"""Numbers that are glued to Latin letters: money, units, clock times with am or pm, No.1, 10k, trains."""

_DATES_AND_TIMES = _compiled(
    [
        (r"(?<=[年月日号號])[-~](?=\d)", _to),
        (rf"(?<!\d)({_YEAR})[-~—到至]({_YEAR})(年?)(?!\d|[-/.]\d)", _year_range),
        (rf"(?<!\d)(\d{{4}})年(?:({_MONTH})月(?:({_DAY})([日号號]))?)?", _date_in_characters),
        (rf"(?<!\d)(\d{{2}})年({_MONTH})月(?:({_DAY})([日号號]))?", _date_in_characters),
        (r"(?<!\d)(\d{2})年(?!代)", _short_year),
        (r"(?<!\d)([05-9][05])(?=[后後](?!天|年|来|面|边|方|期))", _each_digit),
        (rf"(?<![\d.])(\d{{4}})([-/])({_MONTH})\2({_DAY})(?![\d.])", _date_in_digits),
        (rf"(?<![\d.])({_YEAR})(\.)({_MONTH})\.({_DAY})(?![\d.])", _date_in_digits),
        (rf"({_LASTED})(\d{{1,3}}(?::[0-5]\d){{1,2}})(?![\d:])", _duration),
        (rf"(?<![\d:])({_TIME})[-~]({_TIME})(?![\d:])", _clock_range),
        (rf"(?<![\d:.])(\d{{1,3}})[:-](\d{{1,3}})(?={_BEAT})", _ratio),
        (rf"(?<![\d:.])({_TIME})()(?![\d:])", _clock_of_day),
        (r"(?<![\d:.])(\d{1,12}):(\d{1,12})(?![\d:])", _ratio),
        (r"(?<!\d)(\d{1,3})['′]([0-5]\d)(?:\"|″|'')", _minutes_and_seconds),
    ]
)

_TELEPHONES = _compiled(
    [
        (r"(?<![\d.])\+?(?:86-?)?(1[3-9]\d-\d{4}-\d{4}|1[3-9]\d{9})(?!\d)", _group_called_out),
        (rf"(?<={_CALL})(\D{{0,4}})(\d{{4}})-(\d{{4}})(?![\d-])", _local_call),
        (r"(?<![\d.])[48]00-?\d{3}-?\d{4}(?!\d)", _called_out),
        (r"(?<![\d.])0\d{2,3}-[1-9]\d{6,7}(?:-\d{1,4})?(?!\d)", _called_out),
        (rf"(?<![\d.,])[1-9]\d{{6,7}}(?![\d.,%‰]|-\d|[多余餘几幾+]?(?:{MEASURE_PATTERN})|{UNIT_PATTERN})", _called_out),
    ]
)

_QUANTITIES = _compiled(
    [
        (rf"(?<!\d)(-?)({_NUMBER})度", _temperature),
        (r"(?<!\d)(\d{1,3})°(?:(\d{1,2})['′])?(?:(\d{1,2})(?:\"|″))?", _angle),
        (r"(\d{1,40}|[A-Za-zα-ω])([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,20}|\^-?\d{1,9})", _power),
        (rf"(?<![\d.])({_NUMBER})([<>]=?)(?=-?\d)", _comparison),
        (rf"(?<![\d.]){_NUMBER}(?:[-+×÷=]{_NUMBER}|=-{_NUMBER}){{1,50}}", _equation),
        (rf"({_NUMBER})[%]?[~-]({_NUMBER})%+", _percent_range),
        (rf"(-?)({_NUMBER})([%‰])[%‰]*", _percent),
        (r"(?<![\d/])(-?)(\d{1,40})/(\d{1,40})(?![\d/])", _fraction),
        (r"(\d{1,20}(?:\.\d{1,20}){2,20})", _each_digit),
        (rf"(?<![\d.-])({_NUMBER})[~-]({_NUMBER})(?![\d-])({MEASURE_PATTERN})?", _number_range),
        (rf"(?<![\dA-Za-z.])-({_NUMBER})", _negative),
        (r"第(\d{1,40})", _ordinal),
        (rf"(?<![\d.,])({_NUMBER})([多余餘几幾+]?)({MEASURE_PATTERN})", _measured),
        (r"(?<![\d,])\d{1,3}(?:,\d{3}){1,12}(?:\.\d{1,40})?(?![\d,])", _quantity),
        (r"\d{0,40}\.\d{1,40}", _quantity),
        (r"\d+", _rest),
        (rf"(?<=[{_CHINESE_NUMERAL}度%])~(?=[{_CHINESE_NUMERAL}负周星第])", _to),
    ]
)

NUMBER_RULES: list[Rule] = [*LATIN_QUANTITY_RULES, *_DATES_AND_TIMES, *_TELEPHONES, *_QUANTITIES]
"""All rules in the order in which they run."""
