"""The two phones of a Cantonese syllable written in jyutping, as the public checkpoints know them.

A syllable with an initial is initial and rhyme. One that begins with a vowel (or is only m or ng) was cut by spelling:
a fixed head, and behind it what is left or, where nothing is left, the last letter of the head again.
"""

from __future__ import annotations

from functools import lru_cache

from GPT_SoVITS.text.symbols import UNKNOWN, ids_by_symbol

_INITIALS = ("ng", "gw", "kw", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "w", "z", "c", "s", "j")
_HEADS = tuple(
    sorted(
        str.split("a aa ai ak ap at au e m ng o oi ok on ong ou uk ung"),
        key=len,
        reverse=True,
    )
)
_NEAREST_RHYMES = {
    "ek": ("et",),
    "ip": ("ep",),
    "im": ("em",),
    "iu": ("eu",),
    "in": ("en",),
    "eot": ("oet", "uet"),
    "am": ("om", "um"),
    "ap": ("op", "up"),
    "eoi": ("oei",),
    "eon": ("oen",),
}
_RHYME_FOR = {rare: near for near, rares in reversed(_NEAREST_RHYMES.items()) for rare in rares}
"""Rhymes of a few colloquial words that the checkpoints have no phone for, with the closest that they have:
the reading of the same word in the literary style (deu6 as diu6), else the same vowel."""


def parts_of_syllable(spelling: str) -> tuple[str, str] | None:
    """Return the two phones of `spelling` (no tone) by the rule of the public table; None where it has no rule."""
    initial = next((i for i in _INITIALS if spelling.startswith(i)), "")
    if initial and spelling != initial:
        return f"Y{initial}", f"Y{spelling[len(initial) :]}"
    head = next((h for h in _HEADS if spelling.startswith(h)), "")
    return (f"Y{head}", f"Y{spelling[len(head) :] or head[-1]}") if head else None


@lru_cache(maxsize=4096)
def phones_of_jyutping(syllable: str) -> tuple[str, str]:
    """Return the two phones of `syllable` (jyutping with its tone digit), the second with the tone.

    A syllable outside the symbol table is spoken by its nearest neighbour: a bare vowel with the initial ng or j that
    Cantonese speakers freely put before it, a colloquial rhyme by its literary twin. What has none, and
    the two syllables of 卅 and 卌, end in UNK.
    """
    spelling, tone = syllable[:-1], syllable[-1:]
    for candidate in (spelling, *_neighbours(spelling)):
        parts = parts_of_syllable(candidate)
        if parts and _known(parts[0]) and _known(parts[1] + tone):
            return parts[0], parts[1] + tone
    first, _ = parts_of_syllable(spelling) or (UNKNOWN, UNKNOWN)
    return first if _known(first) else UNKNOWN, UNKNOWN


def _neighbours(spelling: str) -> list[str]:
    initial = next((i for i in _INITIALS if spelling.startswith(i)), "")
    rhyme = spelling[len(initial) :]
    near = _RHYME_FOR.get(rhyme, rhyme)
    if initial == "h" and not near.strip("ng"):
        return ["hang"]
    return [initial + near] if initial else [("j" if near.startswith("i") else "ng") + near]


def _known(phone: str) -> bool:
    return phone in ids_by_symbol("v2")
