"""Characters with several readings, told apart by their neighbours where the dictionary of phrases has no word for it.

The table data/polyphones.txt tells its own format; where none of its lines fits, the dictionary decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parent.parent / "data" / "polyphones.txt"
_SURNAMES = str.split(
    "任 ren2 朴 piao2 单 shan4 区 ou1 查 zha1 曾 zeng1 盖 ge3 缪 miao4 覃 qin2 乐 yue4 燕 yan1 华 hua4"
)
_TITLES = str.split("先生 女士 小姐 老师 师傅 教授 医生 同学 阿姨 叔叔 老板 大夫")
"""A surname is read so before a title, where it begins the run or follows a word that cannot end in it."""
_BEGINNING = "^"
_BEFORE_NAMES = f"{_BEGINNING}的和与跟是找请叫问给向对为让由见"


@dataclass(frozen=True, slots=True)
class Context:
    """What stands right before and right after a character; ^ before it is the beginning of the text."""

    before: str
    after: str

    def fits(self, text: str, index: int) -> bool:
        """Tell whether the character at `index` of `text` stands in this context."""
        if self.before == _BEGINNING:
            return index == 0 and text.startswith(self.after, 1)
        return text.startswith(self.after, index + 1) and text.endswith(self.before, 0, index)


@dataclass(frozen=True, slots=True)
class ContextRule:
    """A reading (pinyin with its tone digit) and the contexts for it and against it."""

    pinyin: str
    contexts: tuple[Context, ...]
    exceptions: tuple[Context, ...]

    def fits(self, text: str, index: int) -> bool:
        """Tell whether the character at `index` of `text` is read so."""
        return any(context.fits(text, index) for context in self.contexts) and not any(
            context.fits(text, index) for context in self.exceptions
        )


def readings_by_context(text: str) -> Mapping[int, str]:
    """Return place -> pinyin for those characters of `text` whose neighbours decide their reading."""
    rules = _rules()
    found: dict[int, str] = {}
    for index, character in enumerate(text):
        for rule in rules.get(character, ()):
            if rule.fits(text, index):
                found[index] = rule.pinyin
                break
    return found


@cache
def _rules() -> dict[str, list[ContextRule]]:
    rules: dict[str, list[ContextRule]] = {}
    for surname, pinyin in zip(_SURNAMES[::2], _SURNAMES[1::2], strict=True):
        for before in _BEFORE_NAMES:
            contexts = tuple(Context(before, title) for title in _TITLES)
            rules.setdefault(surname, []).append(ContextRule(pinyin, contexts, ()))
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        character, pinyin, *written = line.split()
        rules.setdefault(character, []).append(
            ContextRule(
                pinyin,
                tuple(_context(context) for context in written if not context.startswith("!")),
                tuple(_context(context[1:]) for context in written if context.startswith("!")),
            )
        )
    return rules


def _context(written: str) -> Context:
    before, _, after = written.partition("_")
    return Context(before, after)
