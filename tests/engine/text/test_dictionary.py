"""The user's dictionary: how it is written, what is refused, and that its readings win in every language."""

from __future__ import annotations

import pytest

from GPT_SoVITS.text.dictionary import Dictionary, Reading, occurring, parse
from GPT_SoVITS.text.frontend import phones_of

FILE = """\
# word, language, reading

重庆\tzh\tchong2 qing4
朝陽\tZH\tzhao1 yang2
GPT-4o\ten\tjh iy1 p iy1 t iy1 f ao1 r ow1
Saoirse\ten\tS ER1 SH AH0
推し\tja\tオシ
곡\tko\t꼭
行\tyue\thong4
"""


def spoken(text: str, language: str, dictionary: Dictionary) -> list[str]:
    return [phone for piece in phones_of(text, language, dictionary=dictionary) for phone in piece.phones]


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    found = parse(FILE, "dictionary.tsv")
    assert found.problems == ()
    return Dictionary(found.readings)


@pytest.mark.parametrize(
    ("text", "language", "part"),
    [
        ("我住在重庆，重庆很热", "zh", "ch ong2 q ing4"),
        ("朝陽區", "zh", "zh ao1 y ang2"),
        ("朝阳区", "zh", "zh ao1 y ang2"),
        ("I use gpt-4o daily", "en", "JH IY1 P IY1 T IY1 F AO1 R OW1 D EY1 L IY0"),
        ("Saoirse's car", "en", "S ER1 SH AH0 Z K AA1 R"),
        ("推しです", "ja", "o [ sh i d e s u"),
        ("이 곡은 좋다", "ko", "ㄲ ㅗ ㄱ ㅡ ㄴ"),
        ("銀行", "yue", "Yh Yong4"),
        ("Saoirse去了重庆", "auto", "S ER1 SH AH0 q"),
    ],
)
def test_a_reading_of_the_user_wins(text: str, language: str, part: str, dictionary: Dictionary) -> None:
    phones = " ".join(spoken(text, language, dictionary))
    if part.endswith(" q"):
        assert "S ER1 SH AH0" in phones
        assert "ch ong2 q ing4" in phones
    else:
        assert part in phones


def test_words_are_shown_as_they_were_written(dictionary: Dictionary) -> None:
    assert [piece.norm_text for piece in phones_of("Try GPT-4o now", "en", dictionary=dictionary)] == ["Try GPT-4o now"]


def test_an_english_word_is_not_found_inside_another_one() -> None:
    cat = Dictionary([Reading("cat", "en", "D AO1 G")])
    assert "D AO1 G" not in " ".join(spoken("concatenate", "en", cat))
    assert "D AO1 G" in " ".join(spoken("The CAT sat.", "en", cat))


def test_of_two_readings_the_later_counts_and_of_two_words_the_longer() -> None:
    both = Dictionary(
        [Reading("长", "zh", "zhang3"), Reading("长", "zh", "chang2"), Reading("长安", "zh", "zhang1 an1")]
    )
    assert " ".join(spoken("长长长安", "zh", both)) == "ch ang2 ch ang2 zh ang1 AA an1"


def test_the_counts_of_phones_stay_right(dictionary: Dictionary) -> None:
    for piece in phones_of("我住在重庆。", "zh", dictionary=dictionary):
        assert piece.word2ph is not None
        assert sum(piece.word2ph) == len(piece.phones)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("重庆 zh chong2 qing4", "write word, language and reading with one tab between them"),
        ("重庆\tzh\tchong2", "one pinyin syllable with its tone digit"),
        ("重庆\tzh\tchong qing", "one pinyin syllable with its tone digit"),
        ("重庆\tzh\tchong9 qing4", "one pinyin syllable"),
        ("abc\tzh\ta1 b1 c1", "a word with letters belongs to en"),
        ("cat\ten\tK AE T", "ARPAbet phones with stress digits"),
        ("推し\tja\toshi", "kana"),
        ("곡\tko\tkok", "Hangul"),
        ("行\tyue\thong", "jyutping"),
        ("行\tyue\thong7", "jyutping"),
        ("mot\tfr\tmo", "the list names the language 'fr'"),
        ("!!\ten\tAH0", "no letter or digit"),
        ("a" * 101 + "\ten\tAH0", "100 are the most"),
    ],
)
def test_a_bad_line_is_named_with_what_to_write(line: str, sentence: str) -> None:
    found = parse(f"cat\ten\tK AE1 T\n{line}\n", "dictionary.tsv")
    assert [reading.word for reading in found.readings] == ["cat"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("dictionary.tsv line 2: ")
    assert sentence in found.problems[0]


def test_umlauts_may_be_written_in_each_common_way() -> None:
    found = parse("女\tzh\tnü3\n绿\tzh\tlu:4\n旅\tzh\tlv3\n", "dictionary.tsv")
    assert [reading.reading for reading in found.readings] == ["nv3", "lv4", "lv3"]


def test_words_are_found_in_a_transcript_whatever_their_case() -> None:
    cat, dog = Reading("Cat", "en", "K AE1 T"), Reading("dog", "en", "D AO1 G")
    assert occurring([cat, dog], "My CAT is here") == [cat]
