"""A voice speaks by the public rules, the same for a seed, and never makes the same thing twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from GPT_SoVITS.errors import AudioError, ModelMissingError, TextError
from GPT_SoVITS.families import FAMILIES, FamilyName
from GPT_SoVITS.inference import Reference, SpeakOptions, Voice, base_voice
from GPT_SoVITS.speech_guard import RateBounds
from GPT_SoVITS.word_check import Samples
from tests.engine.small_voice import small_voice

CLIPS = Path(__file__).parent.parent / "data" / "allison_en"
TEXT = "One two three. The weather is fine today, is it not? Four five six seven. Good night."
REFERENCE = Reference(CLIPS / "dir-nomore.flac", "There are no more compatible entries in the directory.", "en")
QUICK = SpeakOptions(seed=5, bounds=RateBounds(0.1, 3.0), tries=1)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return small_voice()


def test_the_same_seed_speaks_the_same_and_another_does_not(voice: Voice) -> None:
    first = voice.speak(TEXT, "en", REFERENCE, QUICK)
    assert np.array_equal(first.samples, voice.speak(TEXT, "en", REFERENCE, QUICK).samples)
    assert not np.array_equal(first.samples, voice.speak(TEXT, "en", REFERENCE, replace(QUICK, seed=6)).samples)
    assert (first.rate_hz, first.seed, first.samples.dtype) == (32_000, 5, np.int16)


def test_a_stream_gives_the_same_sound_piece_by_piece(voice: Voice) -> None:
    whole = voice.speak(TEXT, "en", REFERENCE, QUICK)
    done: list[int] = []
    fragments = []
    for fragment in voice.stream(TEXT, "en", REFERENCE, QUICK, lambda pieces, _: done.append(pieces)):
        if not fragments:
            assert done[-1] == 0, "the first sound is there before the second piece is begun"
        fragments.append(fragment)
    assert [fragment.place for fragment in fragments] == [0, 1, 2, 3, 4]
    assert {fragment.pieces for fragment in fragments} == {5}
    assert np.array_equal(np.concatenate([fragment.samples for fragment in fragments]), whole.samples)
    assert (done[0], done[-1]) == (0, 5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_pieces_sound_the_same_whatever_is_spoken_with_them(voice: Voice, batch_size: int) -> None:
    whole = voice.speak(TEXT, "en", REFERENCE, QUICK)
    other = voice.speak(TEXT, "en", REFERENCE, replace(QUICK, batch_size=batch_size))
    assert np.array_equal(whole.samples, other.samples)


def test_each_piece_is_followed_by_the_pause(voice: Voice) -> None:
    options = replace(QUICK, pause_s=0.25)
    for fragment in voice.stream(TEXT, "en", REFERENCE, options):
        assert not fragment.samples[-8_000:].any()
        assert len(fragment.samples) > 8_000


def test_half_the_speed_takes_twice_as_long(voice: Voice) -> None:
    options = replace(QUICK, pause_s=0.0)
    normal = voice.speak(TEXT, "en", REFERENCE, options)
    slow = voice.speak(TEXT, "en", REFERENCE, replace(options, speed=0.5))
    assert len(slow.samples) == pytest.approx(2 * len(normal.samples), rel=0.05)


def test_a_repeated_request_encodes_nothing_and_the_same_bytes_elsewhere_neither(tmp_path: Path) -> None:
    fresh = small_voice()
    fresh.speak(TEXT, "en", REFERENCE, QUICK)
    encoded = fresh.encoded
    assert encoded == 2 + 1 + 5, "prompt and timbre, the transcript, five pieces"

    fresh.speak(TEXT, "en", REFERENCE, QUICK)
    copy = tmp_path / "同じ 🎙.flac"
    shutil.copy(REFERENCE.audio, copy)
    fresh.speak(TEXT, "en", replace(REFERENCE, audio=copy), QUICK)
    assert fresh.encoded == encoded

    shutil.copy(CLIPS / "agent-alreadyon.flac", copy)
    fresh.speak(TEXT, "en", replace(REFERENCE, audio=copy), QUICK)
    assert fresh.encoded == encoded + 2, "new bytes under a known name are another recording"


def test_more_references_change_the_timbre_and_the_same_one_twice_does_not(voice: Voice) -> None:
    alone = voice.speak(TEXT, "en", REFERENCE, QUICK)
    same = voice.speak(TEXT, "en", replace(REFERENCE, others=(REFERENCE.audio,)), QUICK)
    mixed = voice.speak(TEXT, "en", replace(REFERENCE, others=(CLIPS / "agent-alreadyon.flac",)), QUICK)
    assert np.array_equal(alone.samples, same.samples)
    assert len(alone.samples) == len(mixed.samples)
    assert not np.array_equal(alone.samples, mixed.samples)


def test_without_a_transcript_the_sound_alone_gives_the_voice(voice: Voice) -> None:
    speech = voice.speak("Hello world.", "en", replace(REFERENCE, text=" \n"), QUICK)
    assert len(speech.samples) > 0


def test_silence_is_no_reference_and_marks_are_no_text(voice: Voice, tmp_path: Path) -> None:
    from GPT_SoVITS.audio import write_wav

    silent = tmp_path / "silent.wav"
    write_wav(silent, np.zeros(5 * 16_000, np.float32), 16_000)
    with pytest.raises(AudioError, match=r"silent\.wav is silent"):
        voice.speak("Hello.", "en", Reference(silent, "Hello.", "en"))
    with pytest.raises(TextError):
        voice.speak("。。！", "zh", REFERENCE)


def test_a_long_reference_is_cut_and_a_short_one_is_remarked_on(voice: Voice, tmp_path: Path) -> None:
    from GPT_SoVITS.audio import decode, write_wav

    clip = decode(REFERENCE.audio, 16_000).samples
    for seconds, remark in ((12, "only its first 10 s"), (1, "lasts only 1.0 s")):
        path = tmp_path / f"{seconds}.wav"
        write_wav(path, np.resize(clip, seconds * 16_000), 16_000)
        speech = voice.speak("Hello world.", "en", replace(REFERENCE, audio=path), QUICK)
        assert any(remark in warning for warning in speech.warnings)


def test_speaking_is_given_up_between_two_codes() -> None:
    class GivenUpError(Exception):
        pass

    calls: list[tuple[int, int]] = []

    def give_up_in_the_first_piece(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 3:
            raise GivenUpError

    endless = small_voice(end=0.0)
    with pytest.raises(GivenUpError):
        list(endless.stream(TEXT, "en", REFERENCE, QUICK, give_up_in_the_first_piece))
    assert calls == [(0, 5)] * 3


def test_a_model_that_finds_no_end_is_tried_again_and_then_said_so() -> None:
    endless = small_voice(end=0.0)
    speech = endless.speak("Hello world.", "en", REFERENCE, replace(QUICK, tries=2))
    assert any("Hello world" in warning for warning in speech.warnings)


def test_a_piece_is_spoken_again_until_the_right_words_are_heard(voice: Voice) -> None:
    heard: list[Samples] = []

    def listener(answers: list[str]) -> Callable[[Samples, int, str], str]:
        def listen(samples: Samples, rate_hz: int, language: str) -> str:
            assert (rate_hz, language) == (32_000, "en")
            heard.append(samples)
            return answers[min(len(heard), len(answers)) - 1]

        return listen

    options = replace(QUICK, tries=3, bounds=RateBounds(0.0, 3.0))
    right = replace(options, listener=listener(["Quite another thing.", "Hello world!"]))
    speech = voice.speak("Hello world.", "en", REFERENCE, right)
    assert len(heard) == 2
    assert not np.array_equal(heard[0], heard[1])
    assert np.array_equal(speech.samples[: len(heard[1])], _pcm(heard[1]))

    heard.clear()
    never = replace(options, listener=listener(["Quite another thing."]))
    speech = voice.speak("Hello world.", "en", REFERENCE, never)
    assert len(heard) == 3
    assert any("other words" in warning or "end" in warning for warning in speech.warnings)


def _pcm(samples: Samples) -> np.ndarray:
    from GPT_SoVITS.joining import to_pcm

    return to_pcm(samples)


def test_a_family_without_a_base_does_not_speak_untrained(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError, match="v2ProPlus"):
        base_voice(FAMILIES[FamilyName.V2_PRO_PLUS], models_dir=str(tmp_path))
