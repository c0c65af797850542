"""Tone changes inside a Mandarin word: 不, 一, neutral tones, third tones and the 儿 at its end.

Rules after Chao's grammar as speech synthesis commonly applies them; tones are lists of 1 to 5, 5 is neutral.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.text.mandarin.segmenter import lexicon
from GPT_SoVITS.text.mandarin.words import Word, halves
from GPT_SoVITS.text.packages import package_file

_PARTICLES = "吧呢哈啊呐噻嘛吖嗨呐哦哒额滴哩哟喽啰耶喔诶"
_STRUCTURAL = "的地得"
_FULL_TONE = tuple(str.split("目的 中的 之的 获得 取得 赢得 博得 夺得 求得 心得 所得 难得 不得 自得 相得"))
_ASPECT = "了着过"
_ASPECT_PARTS = {"ul", "uz", "ug"}
_BEFORE_MEASURE = "几有两半多各整每做是"
_DIRECTIONS = "上下进出回过起开"

_SYLLABLE_ER = frozenset(
    str.split("""女儿 男儿 婴儿 幼儿 孤儿 患儿 少儿 健儿 胎儿 宠儿 弃儿 侄儿 孙儿 妻儿 孩儿 乞儿
    聋儿 歌儿 托儿 育儿 产儿 麟儿 娇儿
    可儿 美儿 祖儿 有儿 生儿 我儿 吾儿 痴儿 为儿 替儿 救儿 花儿 鸟儿 虫儿 马儿 猫儿 狗儿 猪儿""")
)
"""Endings in which 儿 is a child, a name, or the full syllable of verse (花儿, 鸟儿), so it keeps its own tone."""

_MORE_NEUTRAL = frozenset({"学生"})
_ALWAYS_ER = frozenset(str.split("范儿 小院儿 胡同儿 老汉儿 媳妇儿 撒欢儿 妥妥儿"))
_ALWAYS_LIST, _NEVER_LIST = "must_neural_tone_words", "must_not_neural_tone_words"
_NEVER_ER_PARTS = {"a", "j", "nr"}


@dataclass(frozen=True, slots=True)
class NeutralWords:
    """Words that end in a neutral tone, and words that only look so."""

    always: frozenset[str]
    never: frozenset[str]


@cache
def neutral_words() -> NeutralWords:
    """Return the word lists of the library misaki, read from its source: importing it would load a second jieba.

    Raises:
        ModelMissingError: the library is not installed, or is a version without the lists.
    """
    source = package_file("misaki", "tone_sandhi.py")
    lists: dict[str, frozenset[str]] = {}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            name = node.targets[0].attr
            if name in {_ALWAYS_LIST, _NEVER_LIST}:
                lists[name] = frozenset(ast.literal_eval(node.value))
    if len(lists) < 2:
        raise ModelMissingError(f"{source} holds no lists of neutral tones; install the pinned version of misaki again")
    return NeutralWords(lists[_ALWAYS_LIST] | _MORE_NEUTRAL, lists[_NEVER_LIST])


def changed_tones(word: Word, tones: list[int]) -> list[int]:
    """Return the spoken tones of `word` from its dictionary tones, one a character."""
    tones = list(tones)
    _change_bu(word.text, tones)
    _change_yi(word.text, tones)
    _change_neutral(word, tones)
    _change_third(word.text, tones)
    return tones


def changed_er(word: Word, tones: list[int]) -> list[int]:
    """Return `tones` with a final 儿 taking the tone before it, where it only colours that syllable."""
    text = word.text
    if not text.endswith("儿"):
        return tones
    last = 2 if tones[-1] == 1 else tones[-1]
    own_syllable = text[-2:] in _SYLLABLE_ER or (word.part in _NEVER_ER_PARTS and text not in _ALWAYS_ER)
    if not own_syllable and last in (2, 5) and len(text) > 1:
        last = tones[-2]
    return [*tones[:-1], last]


def is_doubled(text: str) -> bool:
    """Tell whether `text` is one character said twice."""
    return len(text) == 2 and text[0] == text[1]


def _change_bu(text: str, tones: list[int]) -> None:
    if len(text) == 3 and text[1] == "不":
        tones[1] = 5
        return
    for index, character in enumerate(text[:-1]):
        if character == "不" and tones[index + 1] == 4:
            tones[index] = 2


def _change_yi(text: str, tones: list[int]) -> None:
    if "一" not in text or all(character.isnumeric() for character in text if character != "一"):
        return
    if len(text) == 3 and text[1] == "一" and text[0] == text[2]:
        tones[1] = 5
    elif text.startswith("第一"):
        tones[1] = 1
    else:
        for index, character in enumerate(text[:-1]):
            if character == "一":
                tones[index] = 2 if tones[index + 1] == 4 else 4


def _change_neutral(word: Word, tones: list[int]) -> None:
    text = word.text
    if text in neutral_words().never:
        return
    if word.part[0] in "nva":
        for index in range(1, len(text)):
            if text[index] == text[index - 1] and not _meet_by_chance(text, index):
                tones[index] = 5
    measure = text.find("个")
    if _ends_neutral(word):
        tones[-1] = 5
    elif text == "个" or (measure >= 1 and _counts(text[measure - 1])):
        tones[measure] = 5
    elif _listed(text):
        tones[-1] = 5
    first, second = halves(text)
    if _listed(first):
        tones[len(first) - 1] = 5
    if second and _listed(second):
        tones[-1] = 5


def _meet_by_chance(text: str, index: int) -> bool:
    """Tell whether two equal characters end and begin the two words that `text` is made of (银行行长)."""
    words = lexicon().counts
    return len(text) == 4 and index == 2 and text[:2] in words and text[2:] in words


def _ends_neutral(word: Word) -> bool:
    text, part = word.text, word.part
    last, longer = text[-1], len(text) > 1
    return (
        (last in _PARTICLES and not (longer and part.startswith("n")))
        or (last in _STRUCTURAL and _is_structural(word))
        or (text in _ASPECT and part in _ASPECT_PARTS)
        or (longer and last in "们子" and part in {"r", "n"})
        or (longer and last in "上下里" and part in {"s", "l", "f"})
        or (longer and last in "来去" and text[-2] in _DIRECTIONS)
    )


def _is_structural(word: Word) -> bool:
    """Tell whether a final 的, 地 or 得 is the particle and not ground (土地), target (目的) or to get (获得)."""
    if word.text[-1] == "地":
        return len(word.text) == 1 or word.part in {"uv", "d"}
    return not word.text.endswith(_FULL_TONE)


def _counts(character: str) -> bool:
    return character.isnumeric() or character in _BEFORE_MEASURE


def _listed(text: str) -> bool:
    return text in neutral_words().always or text[-2:] in neutral_words().always


def _change_third(text: str, tones: list[int]) -> None:
    if len(text) == 2 and tones == [3, 3]:
        tones[0] = 2
    elif len(text) == 3:
        _change_third_of_three(text, tones)
    elif len(text) == 4:
        for start in (0, 2):
            if tones[start : start + 2] == [3, 3]:
                tones[start] = 2


def _change_third_of_three(text: str, tones: list[int]) -> None:
    border = len(halves(text)[0])
    if tones == [3, 3, 3]:
        if border == 2:
            tones[0] = tones[1] = 2
        elif border == 1:
            tones[1] = 2
        return
    if border == 2 and tones[:2] == [3, 3]:
        tones[0] = 2
    elif border == 1 and tones[1:] == [3, 3]:
        tones[1] = 2
    elif border == 1 and tones[:2] == [3, 3]:
        tones[0] = 2
