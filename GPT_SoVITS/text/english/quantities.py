"""English quantities: numbers with units and sums of money in words."""

from __future__ import annotations

import re

from GPT_SoVITS.text.english.numbers import cardinal, decimal, fraction

NUMBER = r"\d{1,60}(?:\.\d{1,60})?"
_UNITS: dict[str, tuple[str, str]] = {
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "ft": ("foot", "feet"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "tbsp": ("tablespoon", "tablespoons"),
    "tsp": ("teaspoon", "teaspoons"),
    "h": ("hour", "hours"),
    "min": ("minute", "minutes"),
    "ms": ("millisecond", "milliseconds"),
    "s": ("second", "seconds"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "Hz": ("hertz", "hertz"),
    "kB": ("kilobyte", "kilobytes"),
    "KB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "mAh": ("milliamp hour", "milliamp hours"),
    "V": ("volt", "volts"),
    "dB": ("decibel", "decibels"),
    "fps": ("frame per second", "frames per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "m²": ("square meter", "square meters"),
    "km²": ("square kilometer", "square kilometers"),
    "m³": ("cubic meter", "cubic meters"),
    "in": ("inch", "inches"),
    "yd": ("yard", "yards"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "mins": ("minute", "minutes"),
    "secs": ("second", "seconds"),
    "¢": ("cent", "cents"),
    "px": ("pixel", "pixels"),
    "°C": ("degree celsius", "degrees celsius"),
    "°F": ("degree fahrenheit", "degrees fahrenheit"),
    "°": ("degree", "degrees"),
}
UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_MONEY: dict[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
}
MONEY = f"[{''.join(_MONEY)}]"
_SCALES = {"k": " thousand", "m": " million", "mn": " million", "b": " billion", "bn": " billion", "t": " trillion"}
SCALE = r"(?: (?:hundred|thousand|million|billion|trillion)\b|(?:bn|mn|[kKmMbBtT])\b)"


def with_unit(match: re.Match[str]) -> str:
    """Return a number (group 1) and its unit (group 2) in words."""
    one, many = _UNITS[match[2]]
    return f"{decimal(match[1])} {one if match[1] == '1' else many}"


def fraction_with_unit(match: re.Match[str]) -> str:
    """Return a fraction (groups 1 and 2) of a unit (group 3) in words."""
    return f"{fraction(match[1], match[2])} {_UNITS[match[3]][0]}"


def mixed_number(match: re.Match[str]) -> str:
    """Return a whole number, a fraction (groups 1 to 3) and perhaps a unit (group 4) in words."""
    part = fraction(match[2], match[3])
    words = f"{cardinal(match[1])} and {'a' + part.removeprefix('one') if match[2] == '1' else part}"
    return f"{words} {_UNITS[match[4]][1]}" if match[4] else words


def money(match: re.Match[str]) -> str:
    """Return a sum: sign, number and scale (groups 1 to 3), or number and sign (groups 4 and 5), in words."""
    sign, number = (match[1], match[2]) if match[1] else (match[5], match[4])
    one, many, small, smalls = _MONEY[sign]
    scale = _SCALES.get((match[3] or "").lower(), match[3] or "")
    whole, _, part = number.partition(".")
    if scale or len(part) > 2:
        return f"{decimal(number)}{scale} {many}"
    cents = part.ljust(2, "0") if part else "00"
    large_words = f"{cardinal(whole)} {one if whole == '1' else many}"
    small_words = f"{cardinal(cents)} {small if cents == '01' else smalls}"
    if int(cents) == 0:
        return large_words
    return small_words if int(whole) == 0 else f"{large_words} and {small_words}"
