"""Seeing, hearing and correcting what was recognised; an edit stales exactly what depends on it."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.testing import TestClient
from sqlmodel import select

from daemon import characters, staleness
from daemon.tables import Artifact, TranscriptEdit
from pipeline.listfile import parse_list
from pipeline.steps import JobKind
from tests.daemon.installation import Installation

NAME = "小明"
FIRST, SECOND, THIRD, FOURTH = (
    f"{recording}.wav_{n * 160_000:010d}_{(n + 1) * 160_000:010d}.wav" for recording in "ab" for n in range(2)
)


@pytest.fixture
def trained(installation: Installation) -> Installation:
    """小明 with two recordings of two clips each, processed and trained; recognised with scores."""
    installation.character(NAME)
    installation.record(NAME, "a.wav", b"a")
    installation.record(NAME, "b.wav", b"b")
    installation.work(NAME, JobKind.PROCESS)
    for clip, log_probability in ((FIRST, -0.1), (SECOND, -0.9), (THIRD, -0.4), (FOURTH, -0.05)):
        hear(installation, clip, log_probability)
    installation.work(NAME, JobKind.TRAIN)
    return installation


def hear(installation: Installation, clip: str, log_probability: float, **more: Any) -> None:
    """Have a clip's record look as recognition leaves it."""
    with installation.database.write() as session:
        row = session.exec(select(Artifact).where(Artifact.step == "asr_transcribe", Artifact.item == clip)).one()
        scores = {"average_log_probability": log_probability}
        row.detail = {"text": f"words of {clip[:1]}", "language": "zh", "source": "asr", "scores": scores, **more}
        session.add(row)


def stale(installation: Installation) -> dict[str, set[str]]:
    """Return what the next jobs would redo."""
    with installation.database.read() as session:
        character = characters.get(session, NAME)
        steps = [
            step
            for kind in JobKind
            for step in staleness.explain(session, installation.world.settings, character, kind)
        ]
    return {step.step.value: set(step.stale) for step in steps if step.stale}


def edits(installation: Installation) -> dict[str, tuple[str | None, str | None, bool]]:
    with installation.database.read() as session:
        return {row.clip: (row.text, row.language, row.excluded) for row in session.exec(select(TranscriptEdit)).all()}


def test_clips_are_listed_with_what_is_known_of_them(client: TestClient[Any], trained: Installation) -> None:
    page = client.get(f"characters/{NAME}/clips").json()
    assert (page["total"], len(page["clips"])) == (4, 4)
    clip = page["clips"][1]
    assert (clip["clip"], clip["recording"], clip["start"], clip["duration"]) == (SECOND, "a.wav", 5.0, 5.0)
    assert (clip["text"], clip["language"], clip["source"]) == ("words of a", "zh", "asr")
    assert (clip["state"], clip["reason"], clip["edited"], clip["stale"]) == ("kept", None, False, False)
    assert clip["confidence"] == pytest.approx(0.4066)
    assert clip["denoised"] is True
    assert client.get(f"characters/{NAME}/clips/{SECOND}").json() == clip


def test_the_least_certain_come_first_when_asked_for(client: TestClient[Any], trained: Installation) -> None:
    def listed(query: str) -> list[str]:
        return [clip["clip"] for clip in client.get(f"characters/{NAME}/clips?{query}").json()["clips"]]

    assert listed("sort=confidence")[:3] == [SECOND, THIRD, FIRST]
    assert listed("sort=confidence&limit=1&offset=1") == [THIRD]
    assert listed("recording=b.wav")[0] == THIRD
    assert listed("state=dropped") == []
    hear(trained, FIRST, -2.0, dropped="the recogniser is unsure")
    assert listed("state=dropped") == [FIRST]
    assert client.get(f"characters/{NAME}/clips/{FIRST}").json()["reason"] == "the recogniser is unsure"


def test_a_clip_is_heard_in_parts_and_in_both_forms(client: TestClient[Any], trained: Installation) -> None:
    url = f"characters/{NAME}/clips/{FIRST}/audio"
    folder = trained.layout.character(NAME)
    assert client.get(url).content == (folder / "denoised_audio" / FIRST).read_bytes()
    sliced = (folder / "sliced_audio" / FIRST).read_bytes()
    assert client.get(f"{url}?variant=sliced").content == sliced
    part = client.get(f"{url}?variant=sliced", headers={"range": "bytes=3-7"})
    assert (part.status_code, part.content) == (206, sliced[3:8])
    assert client.head(url).headers["content-disposition"].startswith("inline")
    (folder / "denoised_audio" / FIRST).unlink()
    assert client.get(f"{url}?variant=denoised").status_code == 404
    assert client.get(url).content == sliced


def test_a_corrected_text_stales_that_clip_and_what_comes_of_it(client: TestClient[Any], trained: Installation) -> None:
    assert stale(trained) == {}
    shown = client.put(f"characters/{NAME}/clips/{FIRST}", json={"text": "  对的 | 词\n"}).json()
    assert (shown["text"], shown["source"], shown["edited"], shown["stale"]) == ("对的 词", "edited", True, True)
    assert (shown["unedited_text"], shown["state"]) == ("words of a", "waiting")
    assert stale(trained)["asr_transcribe"] == {FIRST, "list"}
    # when the edit is brought in, no other clip is touched
    trained.work(NAME, JobKind.PROCESS)
    left = stale(trained)
    assert left.pop("extract_text_features") == {FIRST, "list"}
    assert set(left) == {"train_sovits", "train_gpt"}


def test_the_recognised_text_is_no_edit(client: TestClient[Any], trained: Installation) -> None:
    url = f"characters/{NAME}/clips/{FIRST}"
    client.put(url, json={"text": "other words"})
    client.put(url, json={"text": "words  of a", "language": "zh"})
    assert edits(trained) == {}
    assert stale(trained) == {}
    client.put(url, json={"language": "en"})
    assert edits(trained) == {FIRST: (None, "en", False)}
    client.put(url, json={"language": None})
    client.put(url, json={"excluded": False})
    assert edits(trained) == {}


def test_what_was_recognised_is_remembered_while_an_edit_counts(client: TestClient[Any], trained: Installation) -> None:
    url = f"characters/{NAME}/clips/{FIRST}"
    client.put(url, json={"text": "other words"})
    before = {"text": "words of a", "language": "zh", "source": "asr", "scores": {}, "dropped": None, "input_hash": ""}
    trained.work(NAME, JobKind.PROCESS)
    hear(trained, FIRST, 0.0, text="other words", source="given", unedited=before)
    shown = client.get(url).json()
    assert (shown["text"], shown["unedited_text"], shown["stale"]) == ("other words", "words of a", False)
    shown = client.delete(url).json()
    assert (shown["text"], shown["edited"], shown["stale"]) == ("words of a", False, True)
    assert edits(trained) == {}


def test_a_clip_is_left_out_and_taken_in_again(client: TestClient[Any], trained: Installation) -> None:
    url = f"characters/{NAME}/clips/{FIRST}"
    shown = client.put(url, json={"excluded": True}).json()
    assert (shown["state"], shown["reason"]) == ("excluded", "excluded by a person")
    assert FIRST not in client.get(f"characters/{NAME}/transcripts").text
    assert client.get(f"characters/{NAME}/audio/status").json()["status"] == "outdated"
    assert client.put(url, json={"excluded": False}).json()["state"] == "kept"
    assert client.get(f"characters/{NAME}/audio/status").json()["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " | \n"}, "text"),
        ({"text": "x" * 2001}, "text"),
        ({"language": "fr"}, "language"),
        ({"excluded": "maybe"}, "excluded"),
        ({"speaker": "x"}, "speaker"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(
    client: TestClient[Any], trained: Installation, body: dict[str, Any], field: str
) -> None:
    answer = client.put(f"characters/{NAME}/clips/{FIRST}", json=body)
    assert answer.status_code == 400
    assert field in answer.json()["detail"]
    assert edits(trained) == {}


def test_transcripts_go_out_and_come_back_as_a_list_file(client: TestClient[Any], trained: Installation) -> None:
    url = f"characters/{NAME}/transcripts"
    exported = client.get(url)
    assert exported.headers["content-type"] == "text/plain; charset=utf-8"
    lines = parse_list(exported.text).lines
    assert (len(lines), lines[0].path, lines[0].speaker) == (4, f"sliced_audio/{FIRST}", NAME)
    assert client.post(url, content=exported.content).json() == {
        "changed": 0, "unchanged": 4, "unknown": [], "problems": [],
    }  # fmt: skip
    changed = (
        f"C:\\data\\{FIRST}|x|EN|new words\n/elsewhere/{SECOND}|x|ZH|words of a\nb.wav|x|ZH|all of b\n"
        "nothing.wav|x|ZH|y\nbroken line\n"
    )
    done = client.post(url, content=changed.encode()).json()
    assert (done["changed"], done["unchanged"], done["unknown"]) == (2, 1, ["nothing.wav"])
    assert "line 5" in done["problems"][0]
    assert edits(trained) == {FIRST: ("new words", "en", False)}
    with trained.database.read() as session:
        character = characters.get(session, NAME)
        recordings = staleness.inputs_of(session, trained.world.settings, character).recordings
    assert {each.name: each.text for each in recordings} == {"a.wav": None, "b.wav": "all of b"}
    assert f"|{NAME}|EN|new words\n" in client.get(url).text


def test_bytes_that_are_no_text_are_refused(client: TestClient[Any], trained: Installation) -> None:
    assert client.post(f"characters/{NAME}/transcripts", content=b"\xff\xfe|x").status_code == 400
    assert client.post(f"characters/{NAME}/transcripts", content=b"x" * 21_000_000).status_code == 413


@pytest.mark.parametrize("path", ["clips", "clips/x.wav", "clips/x.wav/audio", "transcripts"])
def test_who_does_not_exist_has_no_clips(client: TestClient[Any], path: str) -> None:
    assert client.get(f"characters/nobody/{path}").status_code == 404


@pytest.mark.parametrize("clip", ["..", "%2e%2e%2fraw_audio%2fa.wav", "list", "a.wav"])
def test_only_clips_are_heard(client: TestClient[Any], trained: Installation, clip: str) -> None:
    assert client.get(f"characters/{NAME}/clips/{clip}/audio").status_code == 404
