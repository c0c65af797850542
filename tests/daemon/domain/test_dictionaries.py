"""The users' dictionaries: which readings count, what is said about bad ones, and that workers are told."""

from __future__ import annotations

import logging

import pytest

from daemon import characters, dictionaries, job_spec
from daemon.tables import Job
from GPT_SoVITS.text.dictionary import Reading
from pipeline.protocol import decode_job, encode
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "爱丽丝"


@pytest.fixture
def place(installation: Installation) -> Installation:
    installation.character(NAME)
    shared, own = installation.layout.dictionaries(NAME)
    shared.write_text("重庆\tzh\tchong2 qing4\nSovits\ten\tS OW1 V IH0 T S\n", encoding="utf-8")
    own.write_text("sovits\ten\tS OW1 V IY0 T S\n", encoding="utf-8-sig")
    return installation


def test_a_characters_own_reading_wins_over_the_one_for_all(place: Installation) -> None:
    assert dictionaries.readings(place.layout, NAME) == (
        Reading("重庆", "zh", "chong2 qing4"),
        Reading("sovits", "en", "S OW1 V IY0 T S"),
    )
    assert Reading("Sovits", "en", "S OW1 V IH0 T S") in dictionaries.readings(place.layout)


def test_a_changed_file_is_read_again(place: Installation) -> None:
    shared = place.layout.dictionaries()[0]
    assert len(dictionaries.readings(place.layout)) == 2
    shared.write_text("", encoding="utf-8")
    assert dictionaries.readings(place.layout) == ()


def test_bad_lines_are_left_out_and_named(place: Installation, caplog: pytest.LogCaptureFixture) -> None:
    place.layout.dictionaries(NAME)[1].write_text("no tabs here\n行長\tzh\thang2 zhang3\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        found = dictionaries.readings(place.layout, NAME)
    assert found[-1] == Reading("行長", "zh", "hang2 zhang3")
    assert f"characters/{NAME}/dictionary.tsv line 1: write word, language and reading" in caplog.text


def test_a_file_in_another_encoding_is_named_and_not_used(place: Installation) -> None:
    place.layout.dictionaries()[0].write_bytes("重庆\tzh\tchong2 qing4".encode("gb18030"))
    loaded = dictionaries.load(place.layout)
    assert loaded.readings == ()
    assert "UTF-8" in loaded.problems[0]


def test_the_job_worker_is_told_the_readings(place: Installation) -> None:
    job = place.enqueue(NAME, JobKind.PROCESS)
    with place.database.read() as session:
        spec = job_spec.build(session, place.world.settings, place.layout, session.get_one(Job, job.id))
        assert characters.get(session, NAME).name == spec.character
    assert spec.readings == dictionaries.readings(place.layout, NAME)
    assert decode_job(encode(spec)) == spec
