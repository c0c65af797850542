"""What the text front-end promises for any text, with small examples of our own."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import CutMethod, cut, pieces_for_synthesis
from GPT_SoVITS.text.english.normalise import normalise as normalise_english
from GPT_SoVITS.text.english.phones import english_phones
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.languages import CHINESE_NAMES, Language, Mode, language_of_list, mode_of
from GPT_SoVITS.text.mandarin.normalise import normalise as normalise_mandarin
from GPT_SoVITS.text.mandarin.phones import mandarin_phones
from GPT_SoVITS.text.segmentation import segments
from GPT_SoVITS.text.symbols import symbols

SUPPORTED = [mode for mode in Mode if mode not in {Mode.ALL_KO, Mode.KO, Mode.ALL_YUE, Mode.YUE, Mode.AUTO_YUE}]
ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=60) | st.text(
    alphabet="你好一不儿３0123456789.,:-/%~年月日℃$￥^ aAzZ'’あアんー々・한\u200f\ud800😀\n。！？…km²", max_size=60
)
ODD_TEXTS = ["", " ", "\ud800", "\u202e\u200f", "\x00\x07", "😀🎉", "...", "。！？", "ﷺ", "𠮷", "々", "・", "~" * 50]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3-5个", "三到五个"),
        ("1,000元", "一千元"),
        ("10min后", "十分钟后"),
        ("客服400-820-1234", "客服四零零八二零幺二三四"),
        ("邮箱是test@example.com，请查收。", "邮箱是,请查收."),
        ("2024/5/1", "二零二四年五月一日"),
        ("气温-25.6度", "气温零下二十五点六度"),
        ("下午2:30", "下午两点半"),
        ("9-4=5", "九减四等于五"),
        ("圆周率是3.1415926", "圆周率是三点一四一五九二六"),
        ("排行榜", "排行榜"),
        ("价格$25", "价格二十五美元"),
        ("二〇二四年", "二零二四年"),
        ("3:2获胜", "三比二获胜"),
    ],
)
def test_mandarin_numbers_are_read_as_a_person_reads_them(written: str, spoken: str) -> None:
    assert normalise_mandarin(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It’s here; isn’t it?", "It's here, isn't it?"),
        ("the 1990s", "the nineteen nineties"),
        ("80km/h", "eighty kilometers per hour"),
        ("5kg", "five kilograms"),
        ("It was -5 degrees", "It was negative five degrees"),
        ("at 9:30 a.m.", "at nine thirty a.m."),
        ("$5 million", "five million dollars"),
        ("$1.01", "one dollar and one cent"),
        ("2/3", "two thirds"),
        ("the 23rd", "the twenty-third"),
        ("example.com", "example dot com"),
    ],
)
def test_english_numbers_are_read_as_a_person_reads_them(written: str, spoken: str) -> None:
    assert normalise_english(written) == spoken


def test_a_mandarin_sentence_has_two_phones_a_character_and_one_a_mark() -> None:
    got = mandarin_phones("你好，世界。")
    assert got.phones == ("n", "i2", "h", "ao3", ",", "sh", "ir4", "j", "ie4", ".")
    assert got.word2ph == (2, 2, 1, 2, 2, 1)


def test_english_homographs_are_told_apart_by_their_neighbours() -> None:
    phones = " ".join(english_phones("They record a new record. I read it yesterday, I will read it now.").phones)
    assert phones.index("K AO1 R D") < phones.index("R EH1 K ER0 D")
    assert phones.index("R EH1 D") < phones.index("R IY1 D")


def test_an_unknown_english_word_is_guessed() -> None:
    assert len(english_phones("kailee").phones) >= 4


def test_mixed_text_is_divided_by_language_and_loses_nothing() -> None:
    text = "我喜欢看アニメ，and music。"
    pieces = segments(text, Mode.AUTO)
    assert [piece.language for piece in pieces] == [Language.ZH, Language.JA, Language.EN]
    assert "".join(piece.text for piece in pieces) == text


def test_a_very_short_text_is_spoken_with_a_dot_in_front() -> None:
    assert [piece.norm_text for piece in phones_of("好。", "all_zh")] == [".好."]


@pytest.mark.parametrize("language", ["韩文", "粤语"])
def test_a_language_without_its_library_is_refused_by_name(language: str) -> None:
    with pytest.raises(TextError, match="is not supported by this version"):
        phones_of("가나다 我哋", language)


@pytest.mark.parametrize("name", [*CHINESE_NAMES, "Chinese", "JAPANESE", "en", "zh-CN", "All_ZH", "多语种混合（粤语）"])
def test_every_documented_language_name_is_a_mode(name: str) -> None:
    assert mode_of(name) in Mode


def test_an_unknown_language_name_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(TextError, match="中文.*all_zh"):
        mode_of("Klingon")


@pytest.mark.parametrize(("name", "language"), [("ZH", "zh"), ("JP", "ja"), ("JA", "ja"), ("En", "en"), ("YUE", "yue")])
def test_training_lists_name_their_languages_in_any_case(name: str, language: str) -> None:
    assert language_of_list(name) == language


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=ANY_TEXT, mode=st.sampled_from(SUPPORTED), version=st.sampled_from(["v1", "v2"]))
def test_any_text_gives_ids_inside_the_table_or_is_refused_with_a_sentence(text: str, mode: str, version: str) -> None:
    try:
        spoken = phones_of(text, mode, symbols=version)
    except TextError as refusal:
        assert str(refusal)
        return
    assert all(0 <= number < len(symbols(version)) for number in ids_of(spoken))
    for piece in spoken:
        assert len(piece.ids) == len(piece.phones)
        if piece.language == "zh":
            assert piece.word2ph is not None
            assert sum(piece.word2ph) == len(piece.phones)
            assert len(piece.word2ph) == len(piece.norm_text)


@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT, mode=st.sampled_from(SUPPORTED), method=st.sampled_from(list(CutMethod)))
def test_any_text_is_cut_into_pieces_of_at_most_510_characters_or_refused(text: str, mode: str, method: str) -> None:
    assert isinstance(cut(text, method), list)
    try:
        pieces = pieces_for_synthesis(text, mode, method)
    except TextError:
        return
    assert all(0 < len(piece) <= 510 for piece in pieces)


@pytest.mark.parametrize("mode", SUPPORTED)
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_spoken_or_refused(text: str, mode: Mode) -> None:
    try:
        assert ids_of(phones_of(text, mode))
    except TextError as refusal:
        assert str(refusal)


@pytest.mark.parametrize("text", ["你好" * 5000, "9" * 10_000, "a" * 10_000, "1-" * 5000, "あ" * 10_000, "。" * 10_000])
def test_ten_thousand_characters_take_linear_time(text: str) -> None:
    started = time.monotonic()
    try:
        phones_of(text, "auto")
    except TextError as refusal:
        assert str(refusal)
    assert time.monotonic() - started < 30


def test_language_names_load_no_heavy_library() -> None:
    program = (
        "import sys, GPT_SoVITS.text.languages, GPT_SoVITS.text.cutting;"
        "heavy = {'torch', 'numpy', 'jieba', 'pypinyin', 'pyopenjtalk', 'nltk', 'opencc'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
