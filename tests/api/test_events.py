"""Following what changes: a page, a stream, a WebSocket; from a real server, which stops with clients attached."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
from litestar.testing import TestClient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from daemon import events
from tests.api.conftest import Server, serving
from tests.daemon.installation import Installation, opened
from tests.waiting import PATIENCE_S

NAME = "小明"
Followed = tuple[requests.Response, Iterator[dict[str, Any]]]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server whose database nothing but these tests writes to."""
    with opened(tmp_path_factory.mktemp("followed")) as installation:
        installation.character(NAME)
        installation.character("b")
        with serving(installation) as made:
            yield made


def happen(installation: Installation, kind: str, name: str | None = NAME, **data: Any) -> int:
    character = installation.now(name) if name else None
    with installation.database.write() as session:
        event = events.append(session, kind, character_id=character.id if character else None, **data)
        session.flush()
        assert event.id is not None
        return event.id


def follow(server: Server, query: str = "", **headers: str) -> Followed:
    """Open a stream and return it with its events as they come."""
    answer = requests.get(f"{server.url}/events/stream{query}", stream=True, timeout=PATIENCE_S, headers=headers)
    return answer, _blocks(answer)


def _blocks(answer: requests.Response) -> Iterator[dict[str, Any]]:
    waiting = b""
    for chunk in answer.iter_content(chunk_size=None):
        *blocks, waiting = (waiting + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            if "data" in fields:
                yield {**fields, "data": json.loads(fields["data"])}


def test_a_stream_tells_what_happens_from_now_on(followed: Server) -> None:
    happen(followed.installation, "before.it")
    answer, told = follow(followed)
    assert answer.headers["content-type"].startswith("text/event-stream")
    number = happen(followed.installation, "audio.added", filename="你好.wav")
    event = next(told)
    assert (event["id"], event["event"]) == (str(number), "audio.added")
    assert (event["data"]["character_name"], event["data"]["data"]) == (NAME, {"filename": "你好.wav"})
    assert event["data"]["event_id"] == number
    answer.close()


@pytest.mark.parametrize("by_header", [True, False])
def test_a_stream_is_taken_up_where_it_broke_off(followed: Server, by_header: bool) -> None:
    first = happen(followed.installation, "one.more", count=1)
    later = [happen(followed.installation, "one.more", count=count) for count in range(2, 30)]
    if by_header:
        answer, told = follow(followed, "?after=0", **{"Last-Event-ID": str(first)})
    else:
        answer, told = follow(followed, f"?after={first}")
    assert [int(next(told)["id"]) for _ in later] == later
    answer.close()


def test_a_stream_is_filtered(followed: Server) -> None:
    answer, told = follow(followed, f"?character={quote(NAME)}&kind=job")
    with followed.installation.database.write() as session:
        events.append(session, "job.started", character_id=followed.installation.now("b").id)
        events.append(session, "jobs.other", character_id=followed.installation.now(NAME).id)
        events.append(session, "job.finished", character_id=followed.installation.now(NAME).id, job_id=7)
    assert next(told)["event"] == "job.finished"
    answer.close()
    answer, told = follow(followed, "?job=7&after=0")
    assert next(told)["data"]["job_id"] == 7
    answer.close()


def test_a_stream_of_nobody_or_from_nowhere_is_refused(followed: Server) -> None:
    for query, headers, status in (
        ("?character=nobody", {}, 404),
        ("?after=-2", {}, 400),
        ("?after=x", {}, 400),
        ("", {"Last-Event-ID": "x"}, 400),
    ):
        answer = requests.get(f"{followed.url}/events/stream{query}", timeout=PATIENCE_S, headers=headers)
        assert (answer.status_code, set(answer.json())) == (status, {"status_code", "detail"})


def test_a_place_in_the_future_means_now(followed: Server) -> None:
    answer, told = follow(followed, "?after=9007199254740992")
    number = happen(followed.installation, "new.one")
    assert int(next(told)["id"]) == number
    answer.close()


def test_a_websocket_tells_the_same(followed: Server) -> None:
    first = happen(followed.installation, "one.more")
    url = f"{followed.url.replace('http', 'ws')}/events/ws"
    with connect(f"{url}?after={first}") as socket:
        number = happen(followed.installation, "step.finished", name=NAME, step="slice_audio")
        told = json.loads(socket.recv(timeout=PATIENCE_S))
        assert (told["event_id"], told["kind"], told["data"]) == (number, "step.finished", {"step": "slice_audio"})
    with connect(f"{url}?character=nobody") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=PATIENCE_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("query", ["?after=x", "?after=-5", "?job=zz"])
def test_a_websocket_from_nowhere_is_refused(followed: Server, query: str) -> None:
    with pytest.raises(InvalidStatus), connect(f"{followed.url.replace('http', 'ws')}/events/ws{query}"):
        pass


def test_many_clients_miss_nothing_and_a_quiet_server_costs_nothing(followed: Server) -> None:
    clients, count = 40, 300
    ready = threading.Barrier(clients + 1)

    def client(_: int) -> list[int]:
        answer, told = follow(followed, "?kind=load")
        ready.wait(timeout=PATIENCE_S)
        found = [int(next(told)["id"]) for _ in range(count)]
        answer.close()
        return found

    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(client, number) for number in range(clients)]
        ready.wait(timeout=PATIENCE_S)
        process = psutil.Process(followed.pid)
        before = sum(process.cpu_times()[:2])
        time.sleep(1.0)
        assert sum(process.cpu_times()[:2]) - before < 0.3
        written = [happen(followed.installation, "load.one") for _ in range(count)]
        assert all(future.result(timeout=PATIENCE_S) == written for future in futures)


def test_events_are_paged(client: TestClient[Any], installation: Installation) -> None:
    installation.character(NAME)
    numbers = [happen(installation, f"kind.{count % 2}") for count in range(10)]
    page = client.get("events?limit=3").json()
    assert [event["event_id"] for event in page["events"]] == numbers[-3:]
    assert page["latest"] == numbers[-1]
    page = client.get(f"events?after={numbers[1]}&kind=kind.1&limit=2").json()
    assert [event["event_id"] for event in page["events"]] == [numbers[3], numbers[5]]
    assert client.get(f"events?character={NAME}&after={numbers[-1]}").json()["events"] == []
    assert client.get("events?character=nobody").status_code == 404


def test_the_end_of_a_character_is_told_to_who_follows_it(tmp_path: Path) -> None:
    with opened(tmp_path) as installation:
        installation.character(NAME)
        with serving(installation) as server:
            answer, told = follow(server, f"?character={quote(NAME)}")
            requests.delete(f"{server.url}/characters/{NAME}", timeout=PATIENCE_S).raise_for_status()
            assert next(told)["event"] == "character.deleted"
            answer.close()


def test_the_server_stops_at_once_with_clients_attached(tmp_path: Path) -> None:
    with opened(tmp_path) as installation:
        installation.character(NAME)
        with serving(installation) as server:
            streams = [follow(server) for _ in range(5)]
            # and one that never reads
            lazy = requests.get(f"{server.url}/events/stream?after=0", stream=True, timeout=PATIENCE_S)
            url = f"{server.url.replace('http', 'ws')}/events/ws"
            with connect(url) as socket:
                for _ in range(200):
                    happen(installation, "much.text", text="x" * 20_000)
                os.kill(server.pid, signal.SIGTERM)
                for _, told in streams:
                    assert len(list(told)) <= 200  # the stream ends, properly
                with pytest.raises(ConnectionClosed):
                    while True:
                        socket.recv(timeout=PATIENCE_S)
            psutil.Process(server.pid).wait(timeout=PATIENCE_S)
            lazy.close()
