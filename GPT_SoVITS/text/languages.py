"""Language names and modes. A mode says how a text is divided into languages; this module loads nothing heavy."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from GPT_SoVITS.errors import TextError


class Language(StrEnum):
    """The languages that have phones of their own."""

    ZH = "zh"
    EN = "en"
    JA = "ja"
    KO = "ko"
    YUE = "yue"


class Mode(StrEnum):
    """How a text is divided: `all_*` is one language with English words in it, bare codes mix it with English."""

    ALL_ZH = "all_zh"
    EN = "en"
    ALL_JA = "all_ja"
    ALL_YUE = "all_yue"
    ALL_KO = "all_ko"
    ZH = "zh"
    JA = "ja"
    YUE = "yue"
    KO = "ko"
    AUTO = "auto"
    AUTO_YUE = "auto_yue"


CHINESE_NAMES: dict[str, Mode] = {
    "中文": Mode.ALL_ZH,
    "英文": Mode.EN,
    "日文": Mode.ALL_JA,
    "粤语": Mode.ALL_YUE,
    "韩文": Mode.ALL_KO,
    "中英混合": Mode.ZH,
    "日英混合": Mode.JA,
    "粤英混合": Mode.YUE,
    "韩英混合": Mode.KO,
    "多语种混合": Mode.AUTO,
    "多语种混合(粤语)": Mode.AUTO_YUE,
}

_OTHER_NAMES: dict[str, Mode] = {
    "chinese": Mode.ALL_ZH,
    "mandarin": Mode.ALL_ZH,
    "english": Mode.EN,
    "japanese": Mode.ALL_JA,
    "cantonese": Mode.ALL_YUE,
    "korean": Mode.ALL_KO,
    "zho": Mode.ZH,
    "chi": Mode.ZH,
    "cmn": Mode.ZH,
    "zh-cn": Mode.ZH,
    "zh-tw": Mode.ZH,
    "zh-hans": Mode.ZH,
    "zh-hant": Mode.ZH,
    "eng": Mode.EN,
    "en-us": Mode.EN,
    "en-gb": Mode.EN,
    "jp": Mode.JA,
    "jpn": Mode.JA,
    "ja-jp": Mode.JA,
    "kr": Mode.KO,
    "kor": Mode.KO,
    "ko-kr": Mode.KO,
    "zh-yue": Mode.YUE,
    "zh-hk": Mode.YUE,
    "all_en": Mode.EN,
    "multilingual": Mode.AUTO,
    "mixed": Mode.AUTO,
    "chinese-english": Mode.ZH,
    "japanese-english": Mode.JA,
    "cantonese-english": Mode.YUE,
    "korean-english": Mode.KO,
}

_MODES: dict[str, Mode] = {**{mode.value: mode for mode in Mode}, **CHINESE_NAMES, **_OTHER_NAMES}

_LIST_LANGUAGES: dict[str, Language] = {
    **{language.value: language for language in Language},
    "jp": Language.JA,
    "kr": Language.KO,
}

_LANGUAGE_OF_MODE: dict[Mode, Language | None] = {
    Mode.ALL_ZH: Language.ZH,
    Mode.EN: Language.EN,
    Mode.ALL_JA: Language.JA,
    Mode.ALL_YUE: Language.YUE,
    Mode.ALL_KO: Language.KO,
    Mode.ZH: Language.ZH,
    Mode.JA: Language.JA,
    Mode.YUE: Language.YUE,
    Mode.KO: Language.KO,
    Mode.AUTO: None,
    Mode.AUTO_YUE: None,
}


def mode_of(name: str) -> Mode:
    """Return the mode called `name`: a Chinese name of the documented service, an English name or an ISO code.

    Case, surrounding blanks, full-width brackets and `_` for `-` make no difference.

    Raises:
        TextError: the name is unknown; the message lists the accepted ones.
    """
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    mode = _MODES.get(folded) or _MODES.get(folded.replace("_", "-"))
    if mode is None:
        known = " ".join(CHINESE_NAMES)
        codes = ", ".join(Mode)
        raise TextError(
            f"the language {name!r} is unknown; use one of {known}, an English name such as Japanese, "
            f"or one of the codes {codes}"
        )
    return mode


def language_of_list(name: str) -> Language:
    """Return the language that a training list names (ZH zh, JP jp JA ja, EN, KO, YUE; any case).

    Raises:
        TextError: the name is unknown.
    """
    language = _LIST_LANGUAGES.get(name.strip().casefold())
    if language is None:
        raise TextError(f"the list names the language {name!r}; write one of ZH, EN, JA (or JP), KO, YUE")
    return language


def language_of_mode(mode: Mode) -> Language | None:
    """Return the language that a mode reads everything but English in, None where the text itself decides."""
    return _LANGUAGE_OF_MODE[mode]


def mode_for_language(language: Language) -> Mode:
    """Return the mode for a transcript of one language: that language, English words in it read as English."""
    return Mode.EN if language is Language.EN else Mode(f"all_{language}")
