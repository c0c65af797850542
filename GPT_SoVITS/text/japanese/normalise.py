"""Japanese normalisation: what Open JTalk leaves out or reads wrongly, in words that it reads rightly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_UNITS = {
    **dict.fromkeys(("℃", "°C", "°"), "度"),
    "km/h": "キロメートル毎時",
    "m/s": "メートル毎秒",
    "m²": "平方メートル",
    "km²": "平方キロメートル",
    "KB": "キロバイト",
    "MB": "メガバイト",
    "GB": "ギガバイト",
    "TB": "テラバイト",
    "Hz": "ヘルツ",
    "kHz": "キロヘルツ",
    "MHz": "メガヘルツ",
    "GHz": "ギガヘルツ",
    "kW": "キロワット",
    "W": "ワット",
    "V": "ボルト",
    "dB": "デシベル",
}
_METRIC = {
    "km": "キロメートル",
    "cm": "センチメートル",
    "mm": "ミリメートル",
    "kg": "キログラム",
    "mg": "ミリグラム",
    "ml": "ミリリットル",
    "m": "メートル",
    "g": "グラム",
    "L": "リットル",
}
"""Units that Open JTalk reads behind a whole number, but not behind a decimal."""
_MONEY = {"¥": "円", "￥": "円", "$": "ドル", "€": "ユーロ", "£": "ポンド"}
_SIGNS = {"+": "プラス", "×": "かける", "÷": "わる", "=": "イコール"}
_DIGITS = ("ゼロ", "イチ", "ニ", "サン", "ヨン", "ゴ", "ロク", "ナナ", "ハチ", "キュウ")
_KANJI_DIGITS = {kanji: str(value) for value, kanji in enumerate("〇一二三四五六七八九")}
_ORDINARY = str.maketrans(
    {
        "髙": "高",
        "𠮷": "吉",
        "德": "徳",
        "濵": "浜",
        "邉": "辺",
        "桒": "桑",
        "栁": "柳",
        "瀨": "瀬",
        "曻": "昇",
        "ヷ": "ヴァ",
        "ヸ": "ヴィ",
        "ヹ": "ヴェ",
        "ヺ": "ヴォ",
        "゛": "\u3099",
        "゜": "\u309a",
        "㍿": "株式会社",
        "㈱": "株式会社",
        "㈲": "有限会社",
        "№": "ナンバー",
        "○": "〇",
        "◯": "〇",
        "㍻": "平成",
        "㋿": "令和",
    }
)
"""Rare forms of characters that the dictionary knows in their ordinary form only."""
_NUMBER = r"\d+(?:[.点][\dァ-ヴー]+)?"

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def normalise(text: str) -> str:
    """Return `text` with numbers, units and signs as they are said; marks and ordinary words stay as they are."""
    text = unicodedata.normalize("NFC", text.translate(_ORDINARY))
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text


def _digits(number: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in number)


def _compatible(match: re.Match[str]) -> str:
    """Squared, circled and compatibility characters as ordinary ones, Roman numbers as digits."""
    character = match[0]
    value = unicodedata.numeric(character, None)
    if value is not None and value == int(value):
        return str(int(value))
    return unicodedata.normalize("NFKC", character)


def _vulgar_fraction(match: re.Match[str]) -> str:
    numerator, _, denominator = unicodedata.normalize("NFKC", match[2]).partition("\u2044")
    return (f"{match[1]}と" if match[1] else "") + f"{denominator}分の{numerator}"


def _fraction(match: re.Match[str]) -> str:
    numerator, denominator = match[1], match[2]
    return f"{denominator}分の{numerator}" if 0 < int(numerator) < int(denominator) else match[0]


def _date(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    return f"{year}年{month}月{day}日" if 1 <= month <= 12 and 1 <= day <= 31 else match[0]


def _time(match: re.Match[str]) -> str:
    hour, minute, second = match[1], int(match[2]), match[3]
    return f"{int(hour)}時" + (f"{minute}分" if minute or second else "") + (f"{int(second)}秒" if second else "")


def _telephone(match: re.Match[str]) -> str:
    return "の".join(_digits(group) for group in match[0].split("-"))


_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_WRITTEN: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (r"(\d*)([¼½¾⅐-⅞])", _vulgar_fraction),
    (r"[\u2150-\u2188\u2460-\u2473\u24ea\u3200-\u33ff\uf900-\ufaff]", _compatible),
    (r"(?<=\d)[,，](?=\d{3}(?!\d))", lambda _: ""),
    (r"[〇一二三四五六七八九]*〇[〇一二三四五六七八九]+(?=年|$|\W)", lambda m: "".join(_KANJI_DIGITS[c] for c in m[0])),
    (r"[一二三四五六七八九][〇一二三四五六七八九]*〇(?=年|$|\W)", lambda m: "".join(_KANJI_DIGITS[c] for c in m[0])),
    ("〇", lambda _: "まる"),
    (r"(?<![\d/])(\d{4})/(\d{1,2})/(\d{1,2})(?![\d/])", _date),
    (r"(?<![\d\-])(\d{4})-(\d{1,2})-(\d{1,2})(?![\d\-])", _date),
    (r"(?<![\d\-])0\d{1,4}-\d{1,4}-\d{3,4}(?![\d\-])", _telephone),
    (r"(?<![\d:：])([01]?\d|2[0-9]):([0-5]\d)(?::([0-5]\d))?(?![\d:：])", _time),
    (r"(?<![A-Za-z\d\-])-(?=\d+(?:\.\d+)? ?(?:[℃%％]|°C))", lambda _: "マイナス"),
    (
        rf"(?<![\d.])(\d+)\.(\d+) ?({'|'.join(_METRIC)})(?![A-Za-z/²])",
        lambda match: f"{match[1]}点{_digits(match[2])}{_METRIC[match[3]]}",
    ),
    (rf"(?<![\d.])(\d+)\.(\d+)(?= ?(?:[%％一-鿿ァ-ヴ]|{_UNIT}))", lambda match: f"{match[1]}点{_digits(match[2])}"),
    (rf"([¥￥$€£]) ?({_NUMBER})((?:百|千|万|億|兆)*)", lambda match: f"{match[2]}{match[3]}{_MONEY[match[1]]}"),
    (rf"({_NUMBER}) ?({_UNIT})(?![A-Za-z/²])", lambda match: match[1] + _UNITS[match[2]]),
    (r"(?<![\d/])(\d{1,4})/(\d{1,4})(?![\d/])", _fraction),
    (r"(?<=\d) ?([+×÷=]) ?(?=\d)", lambda match: _SIGNS[match[1]]),
    (r"(?<=\d)(?:[個人回年月日時分秒円度本枚歳冊%％])? ?[~～〜] ?(?=\d)", lambda m: m[0].rstrip(" ~～〜") + "から"),
    (r"(?<=[^\W_])&(?=[^\W_])", lambda _: "アンド"),
    (r"(?<!\w)#(?=[^\W\d_])", lambda _: "ハッシュタグ"),
    (r"(?<!\w)#(?=\d)", lambda _: "ナンバー"),
]
_RULES: tuple[Rule, ...] = tuple((re.compile(pattern), words) for pattern, words in _WRITTEN)
