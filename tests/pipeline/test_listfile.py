"""The public list file, read and written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.listfile import ListLine, format_list, parse_list

WORDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp", "Zs"), blacklist_characters="|\ufeff"), min_size=1
)
LINES = st.builds(ListLine, WORDS, WORDS, st.sampled_from(["zh", "en", "ja", "ko", "yue"]), WORDS)


@given(st.lists(LINES))
def test_what_is_written_is_read_back(lines: list[ListLine]) -> None:
    assert parse_list(format_list(lines)).lines == tuple(lines)


@given(st.text())
def test_any_text_is_read_without_an_exception(text: str) -> None:
    parse_list(text)


def test_bad_lines_are_reported_and_the_others_are_read() -> None:
    found = parse_list(
        "a.wav|alice|ZH|你好\n\nbroken line\nb.wav|alice|xx|hello\r\nsub\\c.wav|alice|JP|こんにちは|です\n"
    )
    assert [(line.name, line.language, line.text) for line in found.lines] == [
        ("a.wav", "zh", "你好"),
        ("c.wav", "ja", "こんにちは|です"),
    ]
    assert ["line 3" in found.problems[0], "line 4" in found.problems[1]] == [True, True]
