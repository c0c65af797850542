"""What the text front-end promises for any text, with small examples of our own."""

from __future__ import annotations

import gc
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.cutting import CutMethod, cut, pieces_for_synthesis
from GPT_SoVITS.text.dictionary import Dictionary, parse
from GPT_SoVITS.text.english.normalise import normalise as normalise_english
from GPT_SoVITS.text.english.phones import english_phones
from GPT_SoVITS.text.frontend import ids_of, phones_of
from GPT_SoVITS.text.languages import CHINESE_NAMES, Language, Mode, language_of_list, mode_of
from GPT_SoVITS.text.mandarin.normalise import normalise as normalise_mandarin
from GPT_SoVITS.text.mandarin.phones import mandarin_phones
from GPT_SoVITS.text.segmentation import segments
from GPT_SoVITS.text.symbols import symbols

MODES = list(Mode)
ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=60) | st.text(
    alphabet="你好一不儿麼榜隻３0123456789.,:;-/%~=×@&#年月日℃$￥^ "
    "aAzZsmDr'’あアんー々・한글밥ㅋ嘅哋㗎\u200f\ud800😀\n。！？…km²",
    max_size=60,
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


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("会議室", ["ja"]),
        ("会议室", ["zh"]),
        ("第一行是中文。\n三行目は日本語です。", ["zh", "ja"]),
        ("今日はいい天気。明日東京行く。", ["ja"]),
        ("初音ミク是一个歌手", ["ja", "zh"]),
        ("我哋食咗飯未呀", ["zh"]),
    ],
)
def test_han_without_kana_is_told_apart_by_what_only_one_language_writes(text: str, languages: list[str]) -> None:
    assert [piece.language for piece in segments(text, Mode.AUTO)] == languages


def test_a_very_short_text_is_spoken_with_a_dot_in_front() -> None:
    assert [piece.norm_text for piece in phones_of("好。", "all_zh")] == [".好."]


@pytest.mark.parametrize(
    ("language", "text", "languages"),
    [
        ("韩文", "안녕하세요, 반갑습니다. OK", ["ko", "en"]),
        ("韩英混合", "저는 Python을 좋아해요", ["ko", "en", "ko"]),
        ("粤语", "我哋去飲茶啦 OK", ["yue", "en"]),
        ("粤英混合", "你今日happy唔happy呀", ["yue", "en", "yue", "en", "yue"]),
        ("多语种混合(粤语)", "我哋去shopping，안녕하세요", ["yue", "en", "ko"]),
        ("多语种混合", "你好，안녕하세요，こんにちは，hello", ["zh", "ko", "ja", "en"]),
        ("日英混合", "東京でlunchを食べた", ["ja", "en", "ja"]),
        ("中英混合", "我用Python写代码", ["zh", "en", "zh"]),
    ],
)
def test_every_mode_divides_text_into_its_languages(language: str, text: str, languages: list[str]) -> None:
    assert [piece.language for piece in phones_of(text, language)] == languages


@pytest.mark.parametrize(
    ("text", "language", "norm_text"),
    [
        ("我跑了5km。", "中文", "我跑了五千米."),
        ("身高180cm", "auto", "身高一百八十厘米"),
        ("メモリは16GBです", "日文", "メモリは16ギガバイトです"),
        ("10kg 들었다", "韩文", "10킬로그램 들었다"),
    ],
)
def test_a_unit_of_latin_letters_belongs_to_the_language_around_it(text: str, language: str, norm_text: str) -> None:
    assert [piece.norm_text for piece in phones_of(text, language)] == [norm_text]


@pytest.mark.parametrize("language", ["韩文", "粤语", "韩英混合", "粤英混合"])
def test_a_voice_of_the_first_version_refuses_a_language_that_it_has_no_phones_for(language: str) -> None:
    with pytest.raises(TextError, match="a v1 voice does not speak"):
        phones_of("가나다 我哋", language, symbols="v1")


@pytest.mark.parametrize("name", [*CHINESE_NAMES, "Chinese", "JAPANESE", "en", "zh-CN", "All_ZH", "多语种混合（粤语）"])
def test_every_documented_language_name_is_a_mode(name: str) -> None:
    assert mode_of(name) in Mode


def test_an_unknown_language_name_is_refused_with_the_accepted_ones() -> None:
    with pytest.raises(TextError, match="中文.*all_zh"):
        mode_of("Klingon")


@pytest.mark.parametrize(("name", "language"), [("ZH", "zh"), ("JP", "ja"), ("JA", "ja"), ("En", "en"), ("YUE", "yue")])
def test_training_lists_name_their_languages_in_any_case(name: str, language: str) -> None:
    assert language_of_list(name) == language


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=ANY_TEXT, mode=st.sampled_from(MODES), version=st.sampled_from(["v1", "v2"]), as_public=st.booleans())
def test_any_text_gives_ids_inside_the_table_or_is_refused_with_a_sentence(
    text: str, mode: str, version: str, *, as_public: bool
) -> None:
    try:
        spoken = phones_of(text, mode, symbols=version, as_public=as_public)
    except TextError as refusal:
        assert str(refusal)
        return
    assert all(0 <= number < len(symbols(version)) for number in ids_of(spoken))
    for piece in spoken:
        assert len(piece.ids) == len(piece.phones)
        if piece.word2ph is not None:
            assert sum(piece.word2ph) == len(piece.phones)
            assert len(piece.word2ph) == len(piece.norm_text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), ANY_TEXT)
def test_any_dictionary_is_read_and_any_text_is_spoken_with_it_or_refused(written: str, text: str) -> None:
    lines = [f"{text}\ten\tAH1", f"{text}\tja\tア", f"{text}\tko\t가", *written.splitlines()]
    found = parse("\n".join(lines), "dictionary.tsv")
    assert all("dictionary.tsv line" in problem for problem in found.problems)
    try:
        assert ids_of(phones_of(text, "auto", dictionary=Dictionary(found.readings)))
    except TextError as refusal:
        assert str(refusal)


@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT, mode=st.sampled_from(MODES), method=st.sampled_from(list(CutMethod)))
def test_any_text_is_cut_into_pieces_of_at_most_510_characters_or_refused(text: str, mode: str, method: str) -> None:
    assert isinstance(cut(text, method), list)
    try:
        pieces = pieces_for_synthesis(text, mode, method)
    except TextError:
        return
    assert all(0 < len(piece) <= 510 for piece in pieces)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_spoken_or_refused(text: str, mode: Mode) -> None:
    try:
        assert ids_of(phones_of(text, mode))
    except TextError as refusal:
        assert str(refusal)


ENDLESS = [
    "你好",
    "9",
    "a",
    "1-",
    "あ",
    "。",
    "한",
    "嘅",
    "a.",
    "@",
    "A ",
    "i\u0301",
    "1:",
    "你5km",
    "\ud800",
    "x1",
    "Ⅳ",
    "½",
]


@pytest.mark.parametrize("text", ENDLESS)
def test_a_text_of_a_hundred_thousand_characters_takes_linear_time(text: str) -> None:
    """Ten times the text may take forty times the time: four times more than linear, for noise."""
    _seconds(text)
    short, long = (_seconds((text * length)[:length]) for length in (10_000, 100_000))
    assert long < 40 * max(short, 0.1)


def _seconds(text: str) -> float:
    gc.disable()  # its passes over what other tests have left in memory are not the text's time
    started = time.process_time()
    try:
        phones_of(text, "auto_yue" if "嘅" in text else "auto")
    except TextError as refusal:
        assert str(refusal)
    finally:
        gc.enable()
    return time.process_time() - started


def test_language_names_load_no_heavy_library() -> None:
    libraries = {"torch", "numpy", "jieba", "pypinyin", "pyopenjtalk", "nltk", "opencc", "mecab", "ToJyutping"}
    program = (
        "import sys, GPT_SoVITS.text.frontend, GPT_SoVITS.text.dictionary;"
        f"heavy = {libraries} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
