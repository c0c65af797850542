"""Where this front-end reads differently from the public one on purpose, and why.

A rule describes texts that the public front-end plainly misreads; the report and the tests accept a difference from
its lines only where one of these rules applies.
"""

from __future__ import annotations

import re

from GPT_SoVITS.text.languages import Language

_ZH = {
    r"麼|榜|鍾|餘": "the character has one simplified form, not the rare one that upstream's map gives",
    r"@|\w\.(?:com|cn|net|org)": "an address holds no units",
    r"\d(?:min|mm|ms|km/h|m/s|kg|GB|MB)": "a unit of Latin letters is read whole",
    r"\d ?[-－—–~～] ?\d": "a hyphen between two numbers is a range or a group of digits, not a subtraction",
    r"\d,\d{3}": "a comma between groups of three digits is no pause",
    r"\d+\.\d{7,8}": "digits behind the point are no telephone number",
    r"-\d+\.\d": "minus a decimal is below zero, with its point",
    r"\d:\d\d:\d\d": "it is a duration, not a time of day",
    r"\d{4}/\d{1,2}/\d{1,2}": "it is a date, not two fractions",
    r"[：:；;—…·“”‘’\"]": "the mark is a pause where a reader pauses",
    r"[¥￥$€£]": "a sum of money is read with its currency",
    r"[〇𠀀-𯨟㐀-䶿]": "a rare character is not silently left out",
    r"[兙兡嗧桛烪瓧瓰瓱瓼甅覅噷]": "upstream fails on this character",
}
_EN = {
    r"[’‘＇`]": "a curly apostrophe is an apostrophe",
    r"[;：；，、]": "the mark is a pause",
    r"\s[-–—]\s": "a dash between words is not a subtraction",
    r"[–—\n]": "a dash or a line end parts words",
    r"&": "an ampersand is read and",
    r"(?:^|\s)-\d": "a minus sign leaves the blank before it",
    r"\d0'?s\b": "a decade is not a number of seconds",
    r"(?i)\d ?(?:km/h|kg|mg|g|lbs?|oz|ml|ms|min|mph|cm|mm|[kmg]?hz|[kmgt]b|kw)\b": "a unit is read whole",
    r"[€¥₩₹¢]|[$£]\d[\d.,]* ?(?:thousand|million|billion|[kmb]\b)": "a sum of money is read with its currency",
    r"@|https?:|www\.|\w\.(?:com|org|net|txt|py|io)": "an address is read with its signs",
    r"\w[/_]\w": "a slash or a low line parts words",
    r"#": "a number sign is read",
    r"\b\d{3}-\d{4}\b|\d-\d{3}-": "a telephone number is read digit by digit",
    r"\d-\d": "a rising pair of numbers is a range",
    r"[A-Za-z]\d|\d[A-Za-z]": "letters and digits are parted",
    r"(?<![A-Za-z])(?:[A-Z]\.){2,}": "the dots of an abbreviation are no pauses",
    r"\b[A-Z]{2,}s\b": "the s of a plural acronym is an ending",
    r"(?i)\b\d{1,2} ?[ap]m\b": "am and pm are read letter by letter",
    r"\b[IVXL]{2,}\b": "a Roman number is a number",
    r"\b\w+-\w+": "a word with a hyphen is one word",
    r"(?i)\bst\. [A-Z]|\bapprox\.|\b(?:Jan|Feb|Aug|Sept?|Oct|Nov|Dec)\.": "an abbreviation is read in full",
    r"(?:^|\s)'|'(?:\s|$)|s' ": "a quotation mark is silent",
    r"[½¼¾⅓⅔²³₂×÷=+~≈%]": "the sign is read",
    r"…": "an ellipsis is a pause",
}
_JA = {
    r"\d[,，]\d{3}": "a comma between groups of three digits is no pause",
    r"\d\.\d": "a decimal point is read",
    r"(?i)[a-z]{2,}": "a word of Latin letters is read as one",
    r"[%％&@#＠＃+=×÷~〜～℃㎏㎝㎞$€¥￥]": "the sign is read",
    r"[‐-―\-]\d": "a minus sign is read",
    r"\d:\d\d": "it is a time of day",
}
_KO = {
    r"(?<![\d.,:\-])\d+(?![\d.,:\-])": "a number is read as a quantity, with native numerals before native counters",
    r"\d{1,3}(?:,\d{3})+": "a comma between groups of three digits is no pause",
    r"\d ?(?:[kcm]?m|[km]?g|m?l|L|℃|°)|[₩$€¥£]": "a unit is read whole",
    r"[&@+×÷=~～〜]": "the sign is read",
    r"끝|뜯|늪": "the rule of the names of letters does not hold for other words",
    r"[０-９Ａ-Ｚａ-ｚ]": "full-width letters and digits are letters and digits",
    r"번째|연대|월": "a number that ends like an idiom is a number",
}
_YUE = {
    r"[㐀-䶿]|[^\x00-\U0000ffff]": "a rare character is not silently left out",
}
_RULES: dict[Language, list[tuple[re.Pattern[str], str]]] = {
    language: [(re.compile(pattern), reason) for pattern, reason in rules.items()]
    for language, rules in (
        (Language.ZH, _ZH),
        (Language.EN, _EN),
        (Language.JA, _JA),
        (Language.KO, _KO),
        (Language.YUE, _YUE),
    )
}


def reason_of(language: Language, text: str) -> str:
    """Return why `text` may be read differently from the public front-end, empty when it should be read alike."""
    reason = next((reason for pattern, reason in _RULES[language] if pattern.search(text)), "")
    if not reason and language is Language.YUE and _has_two_forms(text):
        return "characters are read as they are written: simplifying them costs readings"
    return reason


def _has_two_forms(text: str) -> bool:
    """Whether a character of `text` is written otherwise in simplified or in traditional Chinese."""
    from opencc import OpenCC

    return any(OpenCC(way).convert(text) != text for way in ("t2s", "s2t"))
