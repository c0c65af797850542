"""Mandarin normalisation: numbers, dates, units and signs into Chinese characters and the kept marks.

The rules run in order, each a linear pattern; what is left at the end is Chinese characters and ! ? … , . -
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from GPT_SoVITS.text.mandarin.numbers import each_digit, each_digit_called_out, quantity
from GPT_SoVITS.text.mandarin.units import (
    MEASURE_PATTERN,
    NOT_TWO_AS_PAIR,
    SIGNS,
    SUPERSCRIPTS,
    UNIT_PATTERN,
    UNITS,
)
from GPT_SoVITS.text.marks import TO_KEPT, collapse_runs

_NUMBER = r"\d{1,40}(?:\.\d{1,40})?"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
_CURRENCIES = {"￥": "元", "¥": "元", "$": "美元", "＄": "美元", "€": "欧元", "£": "英镑"}
_LATEST_OLD_YEAR = 60

_TO_HALF_WIDTH = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    | {"％": "%", "＋": "+", "－": "-", "＝": "=", "／": "/", "−": "-", "–": "-", "～": "~", "〜": "~", "\u3000": ""}
)
_DELETED = re.compile(r"[ —《》【】<>{}()（）#&@“”_|\\\r\t]")
_TO_MARKS = {**TO_KEPT, ord("~"): "…", ord("^"): ",", ord("￥"): ",", ord(";"): ",", ord(":"): ",", ord("\n"): None}
_INTERJECTIONS = str.maketrans("嗯呣", "恩母")
_WEB_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+|[A-Za-z][\w.+-]*@[\w.-]+[A-Za-z]|(?<=[A-Za-z])[./](?=[A-Za-z])")
_NOT_SPOKEN = re.compile(r"[^\u4e00-\u9fa5!?…,.\-]")

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Return `text` as it is spoken: Chinese characters and the marks ! ? … , . only, no runs of marks."""
    text = spoken(simplified(text)).translate(_INTERJECTIONS)
    text = text.replace("...", "…").translate(_TO_MARKS)
    return collapse_runs(_NOT_SPOKEN.sub("", text.replace("-", "")))


def spoken(text: str) -> str:
    """Return `text` with its numbers, dates, units and signs in words; other characters and marks stay as they are.

    The words are simplified characters; measure words are known in both scripts.
    """
    text = _WEB_ADDRESS.sub("", text.translate(_TO_HALF_WIDTH))
    text = _DELETED.sub("", text)
    text = re.sub(r"(?<=\d)：(?=\d)", ":", text)
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text.translate(SIGNS)


def simplified(text: str) -> str:
    """Return `text` in simplified characters."""
    return str(_converter().convert(text))


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _thousands(match: re.Match[str]) -> str:
    return quantity(match[0].replace(",", ""))


def _money(match: re.Match[str]) -> str:
    return f"{_counted(match[2])}{match[3] or ''}{_CURRENCIES[match[1]]}"


def _year_range(match: re.Match[str]) -> str:
    return f"{each_digit(match[1])}到{each_digit(match[2])}年"


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


def _clock_range(match: re.Match[str]) -> str:
    return f"{_clock(match[1])}至{_clock(match[2])}"


def _mobile(match: re.Match[str]) -> str:
    return each_digit_called_out(match[1])


def _called_out(match: re.Match[str]) -> str:
    return each_digit_called_out(match[0])


def _temperature(match: re.Match[str]) -> str:
    return f"{'零下' if match[1] else ''}{quantity(match[2])}度"


def _temperature_range(match: re.Match[str]) -> str:
    first = f"{'零下' if match[1] else ''}{quantity(match[2])}度"
    second = f"{'零下' if match[3] else ''}{quantity(match[4])}度"
    return f"{first}至{second}"


def _with_unit(match: re.Match[str]) -> str:
    return f"{match[1].replace('-', '负')}{_counted(match[2])}{UNITS[match[3]]}"


def _unit_range(match: re.Match[str]) -> str:
    return f"{_counted(match[1])}{UNITS.get(match[2] or '', '')}到{_counted(match[3])}{UNITS[match[4]]}"


def _power(match: re.Match[str]) -> str:
    exponent = match[2].translate(SUPERSCRIPTS)
    sign = "负" if exponent.startswith("-") else ""
    base = quantity(match[1]) if match[1].isdigit() else match[1]
    return f"{base}的{sign}{quantity(exponent.replace('-', ''))}次方"


def _equation(match: re.Match[str]) -> str:
    return match[0].replace("-", "减") if set(match[0]) & set("+×÷=") else match[0]


def _fraction(match: re.Match[str]) -> str:
    return f"{'负' if match[1] else ''}{quantity(match[3])}分之{quantity(match[2])}"


def _percent(match: re.Match[str]) -> str:
    whole = "百" if match[3] == "%" else "千"
    return f"{'负' if match[1] else ''}{whole}分之{quantity(match[2])}"


def _percent_range(match: re.Match[str]) -> str:
    return f"百分之{quantity(match[1])}到百分之{quantity(match[2])}"


def _version(match: re.Match[str]) -> str:
    return each_digit(match[0])


def _number_range(match: re.Match[str]) -> str:
    first, second, measure = match[1], match[2], match[3] or ""
    return f"{_counted(first, measure)}到{_counted(second, measure)}{measure}"


def _negative(match: re.Match[str]) -> str:
    return f"负{quantity(match[1])}"


def _ordinal(match: re.Match[str]) -> str:
    return f"第{quantity(match[1])}"


def _measured(match: re.Match[str]) -> str:
    number, more, measure = match[1], match[2].replace("+", "多"), match[3]
    return f"{_counted(number, measure)}{more}{measure}"


def _rest(match: re.Match[str]) -> str:
    return each_digit_called_out(match[0]) if len(match[0]) > 2 else quantity(match[0])


def _decimal(match: re.Match[str]) -> str:
    return quantity(match[0])


def _ratio(match: re.Match[str]) -> str:
    return f"{quantity(match[1])}比{quantity(match[2])}"


def _counted(number: str, measure: str = "") -> str:
    """A quantity before what it counts: exactly 2 is 两, except where it counts in order."""
    if number == "2" and measure not in NOT_TWO_AS_PAIR:
        return "两"
    return quantity(number)


def _compiled_rules() -> list[Rule]:
    written: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"(?<![\d.,])\d{1,3}(?:,\d{3}){1,12}(?:\.\d{1,40})?(?![\d,])", _thousands),
        (r"([￥¥$＄€£])(" + _NUMBER + r")([万亿萬億]?)", _money),
        (r"(?<!\d)(\d{4})[-~—到至](\d{4})年", _year_range),
        (rf"(?<!\d)(\d{{4}})年(?:({_MONTH})月(?:({_DAY})([日号號]))?)?", _date_in_characters),
        (rf"(?<!\d)(\d{{2}})年({_MONTH})月(?:({_DAY})([日号號]))?", _date_in_characters),
        (r"(?<!\d)(\d{2})年(?!代)", _short_year),
        (rf"(?<![\d.])(\d{{4}})([-/])({_MONTH})\2({_DAY})(?![\d.])", _date_in_digits),
        (r"(?<![\d.])(\d{4})(\.)(0[1-9]|1[0-2])\.(0[1-9]|[12]\d|3[01])(?![\d.])", _date_in_digits),
        (rf"(?<![\d:])({_TIME})[-~]({_TIME})(?![\d:])", _clock_range),
        (rf"(?<![\d:.])({_TIME})(?![\d:])", lambda match: _clock(match[1])),
        (r"(?<![\d:.])(\d{1,4}):(\d{1,4})(?![\d:])", _ratio),
        (r"(?<![\d.])\+?(?:86-?)?(1[3-9]\d{9})(?!\d)", _mobile),
        (r"(?<![\d.])[48]00-?\d{3}-?\d{4}(?!\d)", _called_out),
        (r"(?<![\d.])0\d{2,3}-[1-9]\d{6,7}(?!\d)", _called_out),
        (rf"(?<![\d.])[1-9]\d{{6,7}}(?![\d.]|-\d|{MEASURE_PATTERN}|{UNIT_PATTERN})", _called_out),
        (rf"(-?)({_NUMBER})(?:℃|°C|[摄攝]氏度|度)?[~-](-?)({_NUMBER})(?:℃|°C|[摄攝]氏度)", _temperature_range),
        (rf"(?<!\d)(-?)({_NUMBER})(?:℃|°C|[摄攝]氏度|度)", _temperature),
        (rf"(?<![A-Za-z\d.])({_NUMBER})({UNIT_PATTERN})?[~-]({_NUMBER})({UNIT_PATTERN})(?![A-Za-z\d])", _unit_range),
        (rf"(?<![A-Za-z\d.])(-?)({_NUMBER})({UNIT_PATTERN})(?![A-Za-z\d])", _with_unit),
        (r"(\d{1,40}|[A-Za-zα-ω])([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,20})", _power),
        (rf"(?<![\d.]){_NUMBER}(?:[-+×÷=]{_NUMBER}){{1,50}}", _equation),
        (rf"({_NUMBER})[%]?[~-]({_NUMBER})%+", _percent_range),
        (rf"(-?)({_NUMBER})([%‰])[%‰]*", _percent),
        (r"(?<![\d/])(-?)(\d{1,40})/(\d{1,40})(?![\d/])", _fraction),
        (r"\d{1,20}(?:\.\d{1,20}){2,20}", _version),
        (rf"(?<![\d.-])({_NUMBER})[~-]({_NUMBER})(?![\d-])({MEASURE_PATTERN})?", _number_range),
        (rf"(?<![\dA-Za-z.])-({_NUMBER})", _negative),
        (r"第(\d{1,40})", _ordinal),
        (rf"(?<![\d.])({_NUMBER})([多余餘几幾+]?)({MEASURE_PATTERN})", _measured),
        (r"\d{0,40}\.\d{1,40}", _decimal),
        (r"\d+", _rest),
    ]
    return [(re.compile(pattern), spoken) for pattern, spoken in written]


_RULES = _compiled_rules()
