"""What only a real server shows: streamed uploads, early refusals, disconnects, ranges on the wire, several workers."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests.api.conftest import MAX_UPLOAD_BYTES, Server
from tests.waiting import PATIENCE_S, until

NAME = "小明"
CLIPS = Path(__file__).parents[1] / "data" / "allison_en"
BOUNDARY = "----simple"


def upload(server: Server, name: str, content: bytes) -> requests.Response:
    files = {"file": (name, io.BytesIO(content))}
    return requests.post(f"{server.url}/characters/{NAME}/audio/upload", files=files, timeout=PATIENCE_S)


def refusal(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"status_code", "detail"}
    return str(body["detail"])


def form(name: str, content: bytes, field: str = "file") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{name}"'
    head = f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: audio/wav\r\n\r\n".encode()
    return head + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def send(server: Server, body: Any, **headers: str) -> requests.Response:
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    url = f"{server.url}/characters/{NAME}/audio/upload"
    return requests.post(url, data=body, headers={**kind, **headers}, timeout=PATIENCE_S)


def files(server: Server) -> list[str]:
    listing = requests.get(f"{server.url}/characters/{NAME}/audio/files", timeout=PATIENCE_S).json()
    return [file["filename"] for file in listing]


def test_an_upload_is_stored_once_and_listed(server: Server) -> None:
    content = (CLIPS / "demo-thanks.flac").read_bytes()
    stored = upload(server, "你好 世界.flac", content)
    assert stored.status_code == 200, stored.text
    assert stored.json()["filename"] == "你好 世界.flac"
    assert stored.json()["path"] == f"characters/{NAME}/raw_audio/你好 世界.flac"
    again = upload(server, "other.flac", content)
    assert (again.status_code, again.json()["filename"]) == (200, "你好 世界.flac")
    assert "already" in again.json()["message"]
    assert files(server) == ["你好 世界.flac"]
    assert server.scratch() == []
    stored_file = server.installation.layout.raw_audio(NAME) / "你好 世界.flac"
    assert stored_file.read_bytes() == content


@pytest.mark.parametrize(
    ("header", "stored"),
    [
        ('form-data; name="file"; filename="../../etc/evil.flac"', "evil.flac"),
        ('form-data; name="file"; filename="C:\\\\music\\\\win.flac"', "win.flac"),
        ("form-data; name=\"file\"; filename*=UTF-8''%E6%88%91.flac", "我.flac"),
    ],
)
def test_the_name_is_reduced_to_a_safe_base_name(server: Server, header: str, stored: str) -> None:
    content = (CLIPS / "dir-nomore.flac").read_bytes()
    head = f"--{BOUNDARY}\r\nContent-Disposition: {header}\r\n\r\n".encode()
    answer = send(server, head + content + f"\r\n--{BOUNDARY}--\r\n".encode())
    assert answer.status_code == 200, answer.text
    assert answer.json()["filename"] == stored
    requests.delete(f"{server.url}/characters/{NAME}/audio/files/{stored}", timeout=PATIENCE_S).raise_for_status()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (form("a.wav", b""), "empty"),
        (form("a.wav", b"RIFF" + b"\0" * 500), "a.wav"),
        (form("a.txt", b"hello"), "extension"),
        (form("a.wav", b"x", field="other"), "missing"),
        (b"--other\r\n\r\n", "broken"),
        (f"--{BOUNDARY}\r\n".encode(), "broken"),
        (b"", ""),
    ],
)
def test_what_is_no_audio_is_refused_and_leaves_nothing(server: Server, body: bytes, sentence: str) -> None:
    before = files(server)
    assert sentence in refusal(send(server, body), 400)
    assert server.scratch() == []
    assert files(server) == before


def test_a_body_that_is_no_form_is_refused(server: Server) -> None:
    url = f"{server.url}/characters/{NAME}/audio/upload"
    refusal(requests.post(url, data=b"x", headers={"content-type": "audio/wav"}, timeout=PATIENCE_S), 400)


def test_a_declared_length_over_the_limit_is_refused_before_the_body_comes(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            f"POST /api/v1/characters/%E5%B0%8F%E6%98%8E/audio/upload HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 99999999999\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert server.scratch() == []


def test_an_upload_over_the_limit_is_413_for_a_plain_client(server: Server) -> None:
    assert "limit" in refusal(upload(server, "big.wav", b"\0" * (MAX_UPLOAD_BYTES + 200_000)), 413)
    assert server.scratch() == []


def test_a_body_of_undeclared_length_is_counted_and_not_kept_in_memory(server: Server) -> None:
    before = psutil.Process(server.pid).memory_info().rss

    def endless() -> Iterator[bytes]:
        yield form("big.wav", b"")[: -len(f"\r\n--{BOUNDARY}--\r\n")]
        for _ in range(60):
            yield b"\0" * 1_000_000

    try:
        answer = send(server, endless())
    except requests.ConnectionError:
        pass  # the server may close the connection while the client still sends
    else:
        refusal(answer, 413)
    assert psutil.Process(server.pid).memory_info().rss - before < 40_000_000
    server.until_scratch_is_empty()


def test_a_client_that_goes_away_leaves_nothing(server: Server) -> None:
    before = files(server)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            f"POST /api/v1/characters/%E5%B0%8F%E6%98%8E/audio/upload HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 2000000\r\n\r\n".encode()
            + form("gone.wav", b"\0" * 1_500_000)[:1_400_000]
        )
        until(server.scratch, "the upload to begin")
    server.until_scratch_is_empty()
    assert files(server) == before


def test_the_server_answers_others_while_an_upload_is_slow(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            f"POST /api/v1/characters/%E5%B0%8F%E6%98%8E/audio/upload HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 2000000\r\n\r\n--".encode()
        )
        assert requests.get(f"{server.url}/characters", timeout=PATIENCE_S).status_code == 200
    server.until_scratch_is_empty()


def test_the_same_bytes_at_once_are_stored_once(server: Server) -> None:
    content = (CLIPS / "vm-nobox.flac").read_bytes()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: upload(server, f"same{n}.flac", content), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["filename"] for answer in answers}) == 1
    assert len([name for name in files(server) if name.startswith("same")]) == 1


def test_a_range_over_the_wire(server: Server) -> None:
    model = server.installation.layout.models(NAME) / "big.pth"
    model.parent.mkdir(exist_ok=True)
    model.write_bytes(bytes(range(256)) * 4096)
    url = f"{server.url}/characters/{NAME}/download/big.pth"
    part = requests.get(url, headers={"range": "bytes=-1000"}, timeout=PATIENCE_S)
    assert (part.status_code, part.content) == (206, model.read_bytes()[-1000:])
    assert requests.get(url, timeout=PATIENCE_S).content == model.read_bytes()
    assert requests.head(url, timeout=PATIENCE_S).headers["content-length"] == str(1 << 20)


def test_dots_in_a_raw_address_do_not_leave_the_folder(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as connection:
        address = "/api/v1/characters/%E5%B0%8F%E6%98%8E/download/../../../sovits.db"
        connection.sendall(f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in connection.recv(65536).split(b"\r\n")[0]
