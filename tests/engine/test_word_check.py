"""What a recogniser heard is compared with what was to be said, by its sounds."""

from __future__ import annotations

import pytest

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.word_check import TOLERANCE, wrong_share


@pytest.mark.parametrize(
    ("wanted", "heard", "language"),
    [
        ("The weather is fine today.", "the weather is fine, today", "en"),
        ("他在那里做什么？", "她在那里作什么", "zh"),
        ("今日はいい天気ですね。", "今日はいい天気ですね", "ja"),
    ],
)
def test_the_same_sounds_count_as_the_same_words(wanted: str, heard: str, language: str) -> None:
    assert wrong_share(wanted, heard, language) == 0.0


@pytest.mark.parametrize(
    "heard",
    ["", "。", "the weather", "the weather is fine today the weather is fine today", "nothing of that kind was said"],
)
def test_missing_repeated_and_other_words_are_noticed(heard: str) -> None:
    assert wrong_share("The weather is fine today.", heard, "en") > TOLERANCE


def test_what_cannot_be_spoken_is_refused() -> None:
    with pytest.raises(TextError):
        wrong_share("...", "hello", "en")
