"""What Mandarin and Cantonese promise for any text: known phones, exact counts, linear time, no exception."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from golden import golden_lines, needs_golden
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from GPT_SoVITS.text.cantonese import CantoneseText, cantonese_phones
from GPT_SoVITS.text.mandarin.normalise import latin_quantities_in_words, normalise
from GPT_SoVITS.text.mandarin.phones import MandarinText, mandarin_phones
from GPT_SoVITS.text.mandarin.segmenter import segment, shortest_part
from GPT_SoVITS.text.symbols import UNKNOWN, ids_by_symbol

_READERS = [mandarin_phones, cantonese_phones]
_ANY_TEXT = st.text(alphabet=st.characters(codec=None, categories=None), max_size=80) | st.text(
    alphabet="你好一不儿得地的還長隻㗎𨋢𠮷覅々〇３"
    "0123456789.,:;-—~～/%‰年月日號℃°$￥^ hkmsKMGB@aAzZ'\"’½²⁻Ⅳ\ud800😀\n。！？…（）",
    max_size=80,
)
_LONG_TEXTS = ["你好", "龘靐", "𠮷㐱", "價钱", "123,", "1/", "3h", "a@"]

Reader = Callable[[str], MandarinText | CantoneseText]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=_ANY_TEXT)
@pytest.mark.parametrize("read", _READERS)
def test_any_text_gives_known_phones_and_a_count_for_every_character(read: Reader, text: str) -> None:
    got = read(text)
    assert set(got.phones) <= ids_by_symbol("v2").keys()
    assert sum(got.word2ph) == len(got.phones)
    assert len(got.word2ph) == len(got.norm_text)
    assert set(got.word2ph) <= {1, 2}


@settings(max_examples=300, deadline=None)
@given(character=st.characters(min_codepoint=0x3400, max_codepoint=0x3FFFF, categories=["Lo"]))
@pytest.mark.parametrize("read", _READERS)
def test_every_chinese_character_is_two_known_phones_or_nothing(read: Reader, character: str) -> None:
    got = read(character)
    assert len(got.phones) in {0, 2, 4}
    assert UNKNOWN not in got.phones or character in "卅卌"


@pytest.mark.parametrize("read", _READERS)
@pytest.mark.parametrize("part", _LONG_TEXTS)
def test_time_grows_no_faster_than_the_text(read: Reader, part: str) -> None:
    def seconds(size: int) -> float:
        text = (part * size)[:size]
        started = time.process_time()
        read(text)
        return time.process_time() - started

    read(part * 10)
    assert seconds(8_000) < 16 * max(seconds(1_000), 0.03)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("兙和嗧", "十克和加仑"),
        ("瓩時", "千瓦时"),
        ("桛", ""),
        ("停一下^再說", "停一下,再说"),
        ("今天3℃~5℃", "今天三度至五度"),
        ("100%纯棉", "百分之一百纯棉"),
        ("在2010-2020年间", "在二零一零到二零二零年间"),
        ("8:05到岗", "八点零五分到岗"),
        ("2两酒2个人2楼", "二两酒两个人二楼"),
        ("192.168.1.1", "一九二点一六八点一点一"),
        ("身份证11010119900307123X", "身份证幺幺零幺零幺幺九九零零三零七幺二三"),
        ("5'30\"", "五分三十秒"),
        ("3h30min", "三小时三十分"),
        ("10^3", "十的三次方"),
        ("-5", "负五"),
    ],
)
def test_mandarin_text_is_written_out_as_it_is_spoken(written: str, spoken: str) -> None:
    assert normalise(written) == spoken


@pytest.mark.parametrize(
    ("written", "in_words"),
    [
        ("跑了10km，很累", "跑了十千米，很累"),
        ("I ran 10 km today", "I ran 10 km today"),
        ("原价HK$299吧", "原价二百九十九港元吧"),
        ("气温25°C", "气温二十五度"),
        ("A4纸和B2B", "A4纸和B2B"),
        ("2024年", "2024年"),
    ],
)
def test_only_numbers_with_latin_units_are_put_into_words_before_a_text_is_divided(written: str, in_words: str) -> None:
    assert latin_quantities_in_words(written) == in_words


def test_own_readings_are_taken_as_they_are() -> None:
    mandarin = mandarin_phones("重慶的不好，重庆的好", own_readings={"重庆": "zhong4 qing4", "不好": "bu4 hao3"})
    assert mandarin.phones[:10] == ("zh", "ong4", "q", "ing4", "d", "e5", "b", "u4", "h", "ao3")
    assert mandarin.phones[11:15] == mandarin.phones[:4]
    assert sum(mandarin.word2ph) == len(mandarin.phones)
    cantonese = cantonese_phones("我係香港人", own_readings={"香港": "hoeng2 gong1"})
    assert cantonese.phones[4:8] == ("Yh", "Yoeng2", "Yg", "Yong1")


def test_a_pause_sign_makes_every_comma_of_the_text_that_pause() -> None:
    assert mandarin_phones("停^好，走").phones.count("SP3") == 2
    assert "SP2" in mandarin_phones("停￥好").phones
    assert "SP3" not in mandarin_phones("10^3，好").phones


def test_third_tones_and_the_tones_of_bu_and_yi_change_before_their_neighbours() -> None:
    assert mandarin_phones("你好").phones == ("n", "i2", "h", "ao3")
    assert mandarin_phones("展览馆").phones[1::2] == ("an2", "an2", "uan3")
    assert mandarin_phones("不是不想").phones[1::2] == ("u2", "ir4", "u4", "iang3")
    assert mandarin_phones("一样一天").phones[1::2] == ("i2", "ang4", "i4", "ian1")


@needs_golden
@pytest.mark.filterwarnings("ignore")
def test_the_division_into_words_is_that_of_jieba() -> None:
    import jieba
    import jieba.posseg

    jieba.dt.FREQ, jieba.dt.total = jieba.dt.gen_pfdict(jieba.dt.get_dict_file())
    jieba.dt.initialized = True
    runs = {run for line in golden_lines("zh") for run in re.findall("[\u4e00-\u9fa5]+", normalise(line["text"]))}
    for run in runs:
        words = [(pair.word, pair.flag) for pair in jieba.posseg.dt.lcut(run)]
        assert segment(run) == words
        for word, _ in words:
            assert shortest_part(word) == min(jieba.dt.cut_for_search(word), key=len)
