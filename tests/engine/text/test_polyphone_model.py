"""The optional g2pW model: what it is asked, what its answers become, and what happens when its files are not good."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from GPT_SoVITS.base_files import PolyphoneFiles, polyphone_files, polyphone_state
from GPT_SoVITS.errors import CheckpointError, ModelMissingError
from GPT_SoVITS.text.dictionary import Dictionary, Reading
from GPT_SoVITS.text.frontend import phones_of
from GPT_SoVITS.text.mandarin.phones import mandarin_phones
from GPT_SoVITS.text.mandarin.polyphone_model import (
    LONGEST_TEXT,
    MOST_QUESTIONS,
    PolyphoneModel,
    Tables,
    load_polyphone_model,
    polyphone_model,
)
from tests.engine.text.polyphone_folder import CHARACTERS, TOKENS, write_polyphone_model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_polyphone_model(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PolyphoneModel:
    folder = tmp_path_factory.mktemp("models")
    write_polyphone_model(folder)
    loaded = polyphone_model(str(folder))
    assert loaded is not None
    return loaded


def files_of(models: Path) -> PolyphoneFiles:
    files = polyphone_files(str(models))
    assert files is not None
    return files


def syllables(text: str, polyphones: PolyphoneModel | None = None) -> str:
    phones = mandarin_phones(text, polyphones=polyphones).phones
    return " ".join(f"{a}{b}" for a, b in zip(phones[::2], phones[1::2], strict=True))


def test_the_readings_are_those_that_the_network_prefers_in_its_context(model: PolyphoneModel) -> None:
    assert model("行走") == {0: "xing2"}
    assert model("行里") == {0: "hang2"}
    assert model("长大") == {0: "zhang3"}
    assert model("长的") == {0: "chang2"}


def test_only_characters_with_several_readings_are_asked_about(model: PolyphoneModel) -> None:
    assert model("万走") == {}
    assert model("你们走") == {}
    assert model("") == {}


def test_a_reading_that_the_dictionary_of_characters_does_not_know_is_left_out(model: PolyphoneModel) -> None:
    assert model("和你") == {}  # the network says han4, as in Taiwan


def test_the_network_is_asked_with_the_tokens_the_choices_and_the_place_of_each_character() -> None:
    tables = Tables(
        pinyin=("hang2", "xing2", "zhang3"),
        choices={"行": (0, 1), "長": (2,)},
        characters={"行": 0, "長": 1},
        vocabulary={token: number for number, token in enumerate(TOKENS)},
        use_mask=True,
    )
    asked = tables.questions("行龘長", [0, 2])
    assert asked.input_ids.tolist() == [[2, 8, 1, 9, 3]] * 2
    assert asked.phoneme_mask.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert asked.char_ids.tolist() == [0, 1]
    assert asked.position_ids.tolist() == [1, 3]
    feed = asked.feed()
    assert {name: str(values.dtype) for name, values in feed.items()} == {
        "input_ids": "int64",
        "token_type_ids": "int64",
        "attention_mask": "int64",
        "phoneme_mask": "float32",
        "char_ids": "int64",
        "position_ids": "int64",
    }
    assert feed["token_type_ids"].tolist() == [[0] * 5] * 2 and feed["attention_mask"].tolist() == [[1] * 5] * 2


def test_long_text_is_asked_about_in_bounded_parts() -> None:
    sizes: list[tuple[int, int]] = []

    class Network:
        def run(self, names: None, feed: Mapping[str, np.ndarray], /) -> list[np.ndarray]:
            sizes.append(feed["input_ids"].shape)
            return [feed["phoneme_mask"]]

    tables = Tables(("hang2", "xing2"), {"行": (0, 1)}, {"行": 0}, {t: n for n, t in enumerate(TOKENS)}, use_mask=True)
    found = PolyphoneModel(Network(), tables)("行" * 1000)
    assert found == dict.fromkeys(range(1000), "hang2")
    assert max(questions for questions, _ in sizes) == MOST_QUESTIONS
    assert max(tokens for _, tokens in sizes) == LONGEST_TEXT + 2


def test_readings_of_the_model_pass_through_the_tone_rules() -> None:
    def third(text: str) -> dict[int, str]:
        return {place: "xing3" for place, character in enumerate(text) if character == "行"}

    assert mandarin_phones("你行", polyphones=third).phones == ("n", "i2", "x", "ing3")


def test_the_model_decides_where_no_phrase_no_rule_and_no_user_does(model: PolyphoneModel) -> None:
    assert (syllables("那行里"), syllables("那行里", model)) == ("na4 xing2 li3", "na4 hang2 li3")
    assert syllables("银行走了", model) == syllables("银行走了")  # a phrase of the dictionary
    own = Dictionary([Reading("行", "zh", "heng2")])
    (piece,) = phones_of("你们行走吧。", "zh", dictionary=own, polyphones=model)
    assert piece.phones[4:6] == ("h", "eng2")


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="".join({c for c, _ in CHARACTERS}) + "行长万走里大的你们我銀一不儿", max_size=300))
def test_any_text_is_read_with_as_many_phones_as_without_the_model(model: PolyphoneModel, text: str) -> None:
    assert all(0 <= place < len(text) for place in model(text))
    read = mandarin_phones(text, polyphones=model)
    assert read.word2ph == mandarin_phones(text).word2ph
    assert sum(read.word2ph) == len(read.phones)


def test_without_its_folder_there_is_no_model(tmp_path: Path) -> None:
    assert polyphone_files(str(tmp_path)) is None
    assert polyphone_state(str(tmp_path)) == ""
    assert polyphone_model(str(tmp_path)) is None


def test_the_vocabulary_may_be_that_of_the_text_encoder(models: Path) -> None:
    encoder = models / "chinese-roberta-wwm-ext-large"
    encoder.mkdir()
    shutil.move(models / "G2PWModel" / "vocab.txt", encoder / "vocab.txt")
    assert load_polyphone_model(files_of(models))("行走") == {0: "xing2"}


@pytest.mark.parametrize("name", ["POLYPHONIC_CHARS.txt", "bopomofo_to_pinyin_wo_tune_dict.json", "vocab.txt"])
def test_a_missing_file_is_named_and_the_dictionary_decides(
    models: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "G2PWModel" / name).unlink()
    with pytest.raises(ModelMissingError, match=f"lacks G2PWModel/{name}"):
        polyphone_files(str(models))
    assert polyphone_state(str(models)) == ""
    with caplog.at_level(logging.WARNING):
        assert polyphone_model(str(models)) is None
    assert f"lacks G2PWModel/{name}" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("g2pW.onnx", "no network", "is damaged or no ONNX model"),
        ("POLYPHONIC_CHARS.txt", "行 hang2\n", "a line is not a character, a tab and a reading"),
        ("POLYPHONIC_CHARS.txt", "行\tㄏㄤ2\n", "knows 7 readings"),
        ("bopomofo_to_pinyin_wo_tune_dict.json", "[", "not JSON"),
        ("bopomofo_to_pinyin_wo_tune_dict.json", "[1]", "does not give pinyin"),
        ("config.py", "use_mask = (", "no Python file of settings"),
        ("vocab.txt", "走\n", r"lacks \[UNK\]"),
    ],
)
def test_a_damaged_file_is_named_and_the_dictionary_decides(
    models: Path, name: str, content: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "G2PWModel" / name).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=sentence):
        load_polyphone_model(files_of(models))
    with caplog.at_level(logging.WARNING):
        assert polyphone_model(str(models)) is None
    assert "characters are read by the dictionary" in caplog.text


def test_a_network_that_takes_other_inputs_is_refused(models: Path) -> None:
    network = models / "G2PWModel" / "g2pW.onnx"
    network.write_bytes(network.read_bytes().replace(b"token_type_ids", b"token_kind_ids"))
    with pytest.raises(CheckpointError, match="is no g2pW model"):
        load_polyphone_model(files_of(models))


def test_the_settings_are_read_and_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).mkdir()\nuse_char_phoneme = True\nmodel = 'bert' + '-base'\n"
    write_polyphone_model(tmp_path, config=code)
    # the labels are now 和 ㄏㄜ2, 和 ㄏㄢ4, 萬 ㄨㄢ4, 行 ㄏㄤ2, 行 ㄒㄧㄥ2 ...: 大 prefers the fifth, once ㄓㄤ3
    assert load_polyphone_model(files_of(tmp_path))("行大") == {0: "xing2"}
    assert not trace.exists()


def test_a_replaced_file_is_another_state_and_another_model(models: Path) -> None:
    before, first = polyphone_state(str(models)), polyphone_model(str(models))
    assert polyphone_model(str(models)) is first
    (models / "G2PWModel" / "config.py").write_text("use_mask = True  # again\n")
    assert polyphone_state(str(models)) != before
    assert polyphone_model(str(models)) is not first
