"""The public list file: one utterance a line, `path|speaker|language|text`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SEPARATOR = "|"
_CODES = {"zh": "ZH", "en": "EN", "ja": "JA", "ko": "KO", "yue": "YUE"}
_LANGUAGES = {"zh": "zh", "en": "en", "ja": "ja", "jp": "ja", "ko": "ko", "yue": "yue"}


@dataclass(frozen=True, slots=True)
class ListLine:
    """One utterance. `language` is a lower-case code: zh, en, ja, ko or yue."""

    path: str
    speaker: str
    language: str
    text: str

    @property
    def name(self) -> str:
        """The file name without its folders (either kind of slash)."""
        return self.path.replace("\\", "/").rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class ListFile:
    """What a list file holds, and one sentence for each line that could not be read."""

    lines: tuple[ListLine, ...]
    problems: tuple[str, ...]


def parse_list(text: str) -> ListFile:
    """Read a list file; bad lines are reported and skipped. A text may hold the separator itself."""
    lines, problems = [], []
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.rstrip("\r")
        if not line.strip():
            continue
        fields = line.split(SEPARATOR, 3)
        if len(fields) != 4:
            problems.append(f"line {number} has {len(fields)} fields instead of path|speaker|language|text")
            continue
        path, speaker, language, spoken = (field.strip() for field in fields)
        code = _LANGUAGES.get(language.lower())
        if code is None:
            problems.append(f"line {number} names the language {language!r}; use zh, en, ja, ko or yue")
        elif not path or not spoken:
            problems.append(f"line {number} lacks a path or a text")
        else:
            lines.append(ListLine(path, speaker, code, spoken))
    return ListFile(tuple(lines), tuple(problems))


def format_list(lines: Iterable[ListLine]) -> str:
    """Return the text of a list file; line breaks and separators inside a text become spaces."""
    return "".join(f"{_field(x.path)}|{_field(x.speaker)}|{_CODES[x.language]}|{_field(x.text)}\n" for x in lines)


def _field(value: str) -> str:
    return " ".join(value.replace(SEPARATOR, " ").split())
