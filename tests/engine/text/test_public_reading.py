"""Reading as the public program: its faults wherever they occur, nothing else, and only when asked for."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from GPT_SoVITS.errors import TextError
from GPT_SoVITS.text.dictionary import EMPTY, Dictionary, Reading
from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.languages import Language
from GPT_SoVITS.text.quirks import faults_in, read_as_public
from GPT_SoVITS.text.readers import READERS
from GPT_SoVITS.text.segmentation import Piece

ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=60) | st.text(
    alphabet="你好一麼榜㗎０3456789.,:;-~=×@$￥^ aAsmzZ'’”“&#Dr\"あ한嘅長\ud800😀\n。！？…，km²", max_size=60
)
FAULTS = [
    # text, as a person reads it, as the public program does
    (Language.ZH, "3-5个", "三到五个", "三减五个"),
    (Language.ZH, "客服400-820-1234", "客服四零零八二零幺二三四", "客服四零零减八二零减幺二三四"),
    (Language.ZH, "圆周率是3.1415926", "圆周率是三点一四一五九二六", "圆周率是三.幺四幺五九二六"),
    (Language.ZH, "用时1:02:36", "用时一小时两分三十六秒", "用时一点零二分三十六秒"),
    (Language.ZH, "10:30-12:15", "十点半至十二点十五分", "十点半至十二点半"),
    (Language.ZH, "余额-25.6元", "余额负二十五点六元", "余额负二十五零点六元"),
    (Language.ZH, "1,000元", "一千元", "一,零元"),
    (Language.ZH, "联系ab@example.com", "联系", "联系米.米"),
    (Language.YUE, "熱線係400-123-4567", "熱線係四零零幺二三四五六七", "热线系四零零减幺二三减四五六七"),
    (Language.YUE, "係咁㗎啦", "係咁㗎啦", "系咁啦"),
    (Language.EN, "It’s here; then", "It's here, then", "Its here then"),
    (Language.EN, "Wait - what", "Wait  what", "Wait minus what"),
    (Language.EN, "the 1970s", "the nineteen seventies", "the nineteen seventy seconds"),
    (Language.EN, "at 50km/h", "at fifty kilometers per hour", "at fifty kilometersh"),
    (
        Language.EN,
        "Prof. Lee of Elm Rd. met Mr. Li",
        "Professor Lee of Elm Road met Mr Li",
        "Prof. Lee of Elm Rd. met Mr. Li",
    ),
    (Language.EN, "in Washington D.C. now", "in Washington D C now", "in Washington D. C. now"),
    (Language.EN, "Wi-Fi", "Wi-Fi", "Wi- Fi"),
]


@pytest.mark.parametrize(("language", "text", "right", "public"), FAULTS)
def test_a_fault_is_read_right_and_wrong_only_as_the_public_program(
    language: Language, text: str, right: str, public: str
) -> None:
    assert READERS[language](text, "v2", EMPTY).norm_text == right
    assert read_as_public(text, language, "v2").norm_text == public


def test_all_faults_of_a_line_are_read_together_each_in_its_own_language() -> None:
    text = "Wi-Fi密码怎麼写；Dr. Li，It’s排行榜"
    (first, han, second, last) = phones_of(text, "zh", as_public=True)
    assert [piece.norm_text for piece in (first, second)] == ["Wi- Fi", "Dr. Li Its"]
    assert " ".join(han.phones[4:8]) == "z en3 m o2"
    assert last.phones[-1] == "ang4"
    assert [piece.norm_text for piece in phones_of(text, "zh")][2] == "Doctor Li, It's"


@pytest.mark.parametrize("mode", ["auto", "all_zh"])
def test_the_public_program_tears_a_number_from_a_unit_of_latin_letters(mode: str) -> None:
    assert [piece.language for piece in phones_of("我跑了5km。", mode)] == ["zh"]
    assert [piece.language for piece in phones_of("我跑了5km。", mode, as_public=True)] == ["zh", "en"]


def test_the_public_program_knows_no_dictionary_of_the_user() -> None:
    own = Dictionary([Reading("重庆", "zh", "zhong4 qing4")])
    assert phones_of("我在重庆。", "zh", dictionary=own) != phones_of("我在重庆。", "zh")
    assert phones_of("我在重庆。", "zh", dictionary=own, as_public=True) == phones_of("我在重庆。", "zh")


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet="你好一不儿0123。，！？ aAzZéTheread.!?あア한글", max_size=40),
    language=st.sampled_from(Language),
)
def test_a_text_without_a_place_for_a_fault_is_read_as_ever(text: str, language: Language) -> None:
    assume(not faults_in([Piece(text, language)]))
    assert read_as_public(text, language, "v2") == READERS[language](text, "v2", EMPTY)


@pytest.mark.parametrize(
    "text",
    ["9", "1-", "-0", "1.", "1:", "1,", "1~", "12:30-", "10s ", "a@", "a.", "A.", "Dr. ", "'", " -1", "隻", "麼"],
)
def test_a_long_text_takes_linear_time(text: str) -> None:
    """Ten times the text may take forty times the time: four times more than linear, for noise."""
    _seconds(text)
    short, long = (_seconds((text * length)[:length]) for length in (1_000, 10_000))
    assert long < 40 * max(short, 0.05)


def _seconds(text: str) -> float:
    started = time.process_time()
    try:
        phones_of(text, "auto_yue" if "隻" in text else "auto", as_public=True)
    except TextError as refusal:
        assert str(refusal)
    return time.process_time() - started
