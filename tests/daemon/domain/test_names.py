"""Names that people give."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.errors import InvalidInputError
from daemon.names import AUDIO_EXTENSIONS, MAX_RECORDING_BYTES, base_name, character_name, recording_name


@pytest.mark.parametrize(
    "name", ["小明", "alice", "Ünïcode", "アリス", "한글", "नमस्ते", "a_b-c", "7", "العربية", "x" * 64]
)
def test_letters_and_digits_of_any_script_make_a_character(name: str) -> None:
    assert character_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a/b",
        "..",
        ".hidden",
        "a b",
        "a\n",
        "a|b",
        "x" * 65,
        "logs",
        "Inbox",
        "CON",
        "a\u202eb",
        "😀",
        "\u0301a",
        "a\0",
    ],
)
def test_anything_else_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(InvalidInputError, match="character_name: "):
        character_name(name)


def test_two_spellings_of_one_name_are_the_same_name() -> None:
    assert character_name("e\u0301") == character_name("\u00e9")


def test_a_name_that_would_not_fit_a_folder_name_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="bytes"):
        character_name("\U00020000" * 64)


@given(st.text(max_size=80))
def test_an_accepted_name_is_one_plain_folder_name(text: str) -> None:
    try:
        name = character_name(text)
    except InvalidInputError as error:
        assert "\n" not in str(error)
        return
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name.encode()) <= 255 - len(".list")
    assert character_name(name) == name


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("voice.wav", "voice.wav"),
        ("你好 世界.MP3", "你好 世界.MP3"),
        ("a|b\nc.wav", "a_b_c.wav"),
        ("..wav", "recording.wav"),
        (".hidden.flac", "hidden.flac"),
        ("-rf.ogg", "rf.ogg"),
        ("👩‍🎤 'quoted'.opus", "👩‍🎤 'quoted'.opus"),
        ("evil\u202egnp.wav", "evil_gnp.wav"),
        ("caf\udce9.wav", "caf%E9.wav"),
        ("", "recording"),
        ("...", "recording"),
    ],
)
def test_a_file_name_is_made_safe(given_name: str, stored: str) -> None:
    assert recording_name(given_name) == stored


@given(st.text(alphabet=st.characters(), max_size=300), st.sampled_from([*sorted(AUDIO_EXTENSIONS), ""]))
@example("长" * 300, ".wav")
@example("a" * 7 + ". " * 90, ".wav")
def test_a_safe_name_is_always_storable_and_stays_as_it_is(text: str, extension: str) -> None:
    name = recording_name(text + extension)
    assert 0 < len(name.encode("utf-8")) <= MAX_RECORDING_BYTES
    assert name[0] not in ".-"
    assert not any(unicodedata.category(each) in {"Cc", "Cs"} or each in "/\\|" for each in name)
    assert name.endswith(extension)
    assert recording_name(name) == name


@pytest.mark.parametrize("path", ["../../etc/x.wav", "C:\\Users\\me\\x.wav", "/abs/x.wav", "x.wav"])
def test_only_the_last_part_of_a_path_counts(path: str) -> None:
    assert base_name(path) == "x.wav"
