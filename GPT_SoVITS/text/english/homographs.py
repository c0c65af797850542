"""English words spelled alike and said differently: which pronunciation, from the words around.

The pronunciations are the homograph list of g2p_en (first pronunciation as a verb, mostly); whether a word is a verb
is read off its neighbours, since no tagger's data can be had offline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from GPT_SoVITS.text.packages import package_file

_TO_VERB = frozenset(
    str.split("""to will would can could should shall may might must do does did don't
    doesn't didn't won't can't cannot couldn't
    wouldn't shouldn't let let's please not never always often i you we they who i'll you'll we'll they'll
    he'll she'll it'll i'd you'd we'd they'd he'd she'd""")
)
_TO_SINGULAR_VERB = frozenset(str.split("he she it who which that this never always often everyone somebody nobody"))
_TO_NOUN = frozenset(
    str.split("""a an the this that these those my your his her its our their no any some
    each every another one two three
    of in on at by for with from into about between under over during without new old good bad first last
    next same other many few more most such 's""")
)
_OBJECTS = frozenset(
    str.split("a an the this that these those my your his her its our their it them him me us you everything nothing")
)
_AFTER_NOUN = frozenset(str.split("of is was are were has had in"))
_PERFECT = frozenset(
    str.split("have has had having been was were is are be being i've you've we've they've he's she's")
)
_PAST = frozenset(str.split("yesterday ago already once earlier before last"))
_THIRD_PERSON = frozenset(str.split("he she it"))
_MARKS = frozenset(".,!?-'")
_NOUN_FIRST = frozenset(str.split("exploit exploits fragment imprint misconduct object rebel segment torment"))
"""Words whose two pronunciations the list has the wrong way round."""
_PRONOUNS = frozenset({"i", "you", "we", "they", "he", "she", "it", "anyone", "everyone"})
_TOLD_BY_NOUN = frozenset({"close", "closer", "content", "complex", "absent", "perfect", "separate", "moderate"})


_SAID_BY_CONTEXT: dict[str, tuple[str, frozenset[str], frozenset[str]]] = {
    "live": (
        "L IH1 V",
        _TO_VERB - {"i", "you", "we", "they", "who"},
        frozenset(str.split("in on at with here there alone together by for without under through happily among like")),
    ),
    "lead": ("L IY1 D", _TO_VERB, frozenset(str.split("singer role actor actress guitarist author time character"))),
    "wind": (
        "W IH1 N D",
        frozenset(str.split("strong cold warm hot north south east west solar high no some with of and light icy")),
        frozenset(str.split("is was blew blows blowing speed speeds turbine turbines power energy farm farms chill")),
    ),
    "tears": ("T IH1 R Z", frozenset(str.split("in with of into her his my their your our shed")), frozenset()),
    "wound": (
        "W UW1 N D",
        frozenset(str.split("a the his her my their your this that open deep fatal bullet gunshot knife stab flesh")),
        frozenset(),
    ),
}
"""Words that are not in the list -> the reading other than the first of the dictionary, and the words before or behind
that call for it. Left out is what the strict reference reads with the first: they live near, the wind will."""


@dataclass(frozen=True, slots=True)
class Homograph:
    """Two pronunciations; `part` is the part of speech (V, N, VBD ...) of the first, the second is for all else."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    part: str


def homograph_phones(words: Sequence[str], index: int) -> tuple[str, ...] | None:
    """Return the phones of `words[index]` if it is a homograph, else None. `words` are lower-case tokens."""
    word = words[index]
    before = words[index - 1] if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    entry = _homographs().get(word)
    if entry is None:
        said, befores, afters = _SAID_BY_CONTEXT.get(word, ("", frozenset(), frozenset()))
        return tuple(said.split()) if before in befores or after in afters else None
    if word == "read":
        return entry.second if _is_past_read(words, index, before) else entry.first
    if word == "used":
        return entry.second if after == "to" else entry.first
    if word == "complex":
        return entry.second if _ends_noun_phrase(after) else entry.first
    if word == "content":
        return entry.second if before in _PERFECT or before in ("am", "i'm", "feel") or after == "with" else entry.first
    if entry.part != "V":
        return entry.second
    return entry.first if _is_verb(word, before, after) else entry.second


def _is_past_read(words: Sequence[str], index: int, before: str) -> bool:
    asked = before in _PRONOUNS and index > 1 and words[index - 2] in _PERFECT
    if asked or before in _PERFECT or before in _THIRD_PERSON:
        return True
    if before in _TO_VERB - {"i", "you", "we", "they", "who"}:
        return False
    clause = []
    for word in words[index + 1 :]:
        if word in _MARKS:
            break
        clause.append(word)
    return any(word in _PAST for word in clause)


def _ends_noun_phrase(after: str) -> bool:
    return not after or after in _MARKS or after in _AFTER_NOUN or after in {"and", "or", "at", "on", "that", "where"}


def _is_verb(word: str, before: str, after: str) -> bool:
    third_person = word.endswith("s") and not word.endswith("ss")
    if word == "uses":
        return before not in _TO_NOUN and after not in _AFTER_NOUN
    if before in _TO_VERB and not third_person:
        return True
    if before in _TO_NOUN and not (before in _TO_SINGULAR_VERB and third_person and after in _OBJECTS):
        return False
    if third_person and before in _TO_SINGULAR_VERB:
        return True
    if word in _TOLD_BY_NOUN:
        return after in _OBJECTS
    if after in _OBJECTS:
        return True
    starts = not before or before in _MARKS
    return starts and not third_person and after not in _AFTER_NOUN and bool(after) and after not in _MARKS


@cache
def _homographs() -> dict[str, Homograph]:
    entries: dict[str, Homograph] = {}
    for line in package_file("g2p_en", "homographs.en").read_text(encoding="utf-8").splitlines():
        fields = line.strip().split("|")
        if line.startswith("#") or len(fields) != 4:
            continue
        word, first, second, part = fields
        if word.lower() in _NOUN_FIRST:
            first, second = second, first
        entries[word.lower()] = Homograph(tuple(first.split()), tuple(second.split()), part)
    return entries
