"""What comes over the wire from clients that mean no good: a clear refusal with the one error body, never a hang."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
import requests

from tests.api.conftest import Server
from tests.api.test_server import BOUNDARY, CLIPS, NAME, files, form, refusal, send

pytestmark = pytest.mark.timeout(240)

CHARACTERS = "/api/v1/characters"
UPLOAD = "/api/v1/characters/%E5%B0%8F%E6%98%8E/audio/upload"
TRANSCRIPTS = "/api/v1/characters/%E5%B0%8F%E6%98%8E/transcripts"
JSON = "Content-Type: application/json"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
CHUNKED = "Transfer-Encoding: chunked"
SOUND = (CLIPS / "dir-nomore.flac").read_bytes()


def written(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes; nothing is checked."""
    head = "".join(f"{each}\r\n" for each in (f"{line} HTTP/1.1", *headers, ""))
    return head.encode("latin-1") + body


def answer_to(server: Server, *pieces: bytes) -> tuple[int, str]:
    """Send pieces as they are and return status and sentence; nothing is waited for but the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return received(connection)


def received(connection: socket.socket) -> tuple[int, str]:
    """Read one error answer and check its shape."""
    heard = b""
    while b"}" not in heard:
        block = connection.recv(65536)
        assert block, f"the connection was closed after {heard!r}"
        heard += block
    head, _, body = heard.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    told = json.loads(body)
    assert set(told) == {"status_code", "detail"}
    assert told["status_code"] == status
    return status, told["detail"]


def failures(server: Server) -> list[str]:
    """The counters of answers that are failures of the service itself."""
    figures = requests.get(f"http://127.0.0.1:{server.port}/metrics", timeout=60).text.splitlines()
    return [line for line in figures if line.startswith("sovits_http_requests_total") and 'status="5' in line]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"FOO\r\n\r\n",
        bytes(range(256)) * 4,
        written(f"GET {CHARACTERS}", "Connection: close"),
        written(f"GET {CHARACTERS}", "Host: a", "Host: b"),
        written(f"GET {CHARACTERS}", "Host: a\rX-Evil: b"),
        written(f"GET {CHARACTERS}", "Host: a", "X: \0"),
        written(f"GET {CHARACTERS}", "Host: a", "X: " + "a" * 200_000),
        written(f"POST {CHARACTERS}", "Host: a", JSON, "Content-Length: -5", body=b"{}"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, "Content-Length: abc", body=b"{}"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, "Content-Length: 2", "Content-Length: 3", body=b"{}"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, f"Content-Length: {'9' * 40}", body=b"{}"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, "Transfer-Encoding: gzip", body=b"{}"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, CHUNKED, body=b"2\r\n{}\r\nqq\r\n\r\n"),
        written(f"POST {CHARACTERS}", "Host: a", JSON, CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"),
        written(f"POST {UPLOAD}", "Host: a", FORM, CHUNKED, body=b"5\r\n--abcdef\r\n0\r\n\r\n"),
    ],
    ids=[
        "no request line", "binary", "no host", "two hosts", "a bare CR in a header", "NUL in one", "a long one",
        "a negative length", "a length in letters", "two lengths", "a length of 40 digits", "an unknown encoding",
        "a chunk without a size", "a later one without", "a negative chunk", "a chunk that is longer than said",
    ],
)  # fmt: skip
def test_what_is_no_http_is_told_so(server: Server, request_bytes: bytes) -> None:
    status, sentence = answer_to(server, request_bytes)
    assert status == 400
    assert "HTTP" in sentence


@pytest.mark.parametrize("host", ["a%0d%0aX: b", "a:99999999", "a:b:c", "[::1", "a b c", "\xff", "@", "a/../b"])
@pytest.mark.parametrize("path", ["/nothing", "/v1/models/none", f"{CHARACTERS}/nobody"])
def test_a_host_header_that_is_nonsense_does_no_harm(server: Server, host: str, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(written(f"GET {path}", f"Host: {host}", "Connection: close"))
        assert int(connection.recv(65536).split(b" ", 2)[1]) in (400, 404)


@pytest.mark.parametrize(
    "head",
    [
        (f"POST {CHARACTERS}", "Host: a", JSON, "Content-Length: 500"),
        (f"POST {CHARACTERS}", "Host: a", JSON, CHUNKED),
        (f"POST {UPLOAD}", "Host: a", FORM, "Content-Length: 500"),
        (f"POST {TRANSCRIPTS}", "Host: a", "Content-Type: text/plain", "Content-Length: 500"),
    ],
    ids=["JSON", "chunked JSON", "an upload", "a list file"],
)
def test_a_body_that_comes_a_byte_at_a_time_is_broken_off(server: Server, head: tuple[str, ...]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.1) as connection:
        connection.sendall(written(*head))
        sent = 0
        while True:
            connection.sendall(b"1\r\n{\r\n" if CHUNKED in head else b"-")
            sent += 1
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                assert sent < 400, "the server waits for ever"
                continue
            break
        connection.settimeout(60)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'{"status_code":408,"detail":"the body did not come' in answer + connection.recv(65536)
    server.until_scratch_is_empty()


def test_a_body_without_end_is_refused_at_the_limit(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"character_name": "'
        for _ in range(200):
            yield b"a" * 65536

    url = f"http://127.0.0.1:{server.port}{CHARACTERS}"
    try:
        answer = requests.post(url, data=endless(), headers={"content-type": "application/json"}, timeout=60)
    except requests.ConnectionError:
        return  # the connection was closed while the client still sent
    assert "larger" in refusal(answer, 413)


@pytest.mark.parametrize("path", [CHARACTERS, UPLOAD, TRANSCRIPTS])
def test_a_client_that_leaves_in_the_middle_is_no_failure_of_the_service(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(written(f"POST {path}", "Host: a", FORM, "Content-Length: 500", body=b"half"))
    server.until_scratch_is_empty()
    assert failures(server) == []


def part(disposition: str, content: bytes = b"x", *headers: str) -> bytes:
    head = "".join(f"{each}\r\n" for each in (f"Content-Disposition: {disposition}", *headers, ""))
    return f"--{BOUNDARY}\r\n".encode() + head.encode("utf-8", "surrogateescape") + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
FILE = 'form-data; name="file"'


@pytest.mark.parametrize(
    "body",
    [
        part('form-data; name="other"') * 500 + part(f'{FILE}; filename="a.flac"', SOUND) + END,
        part(f'{FILE}; filename="a.flac"', SOUND, "X-Long: " + "a" * 100_000) + END,
        part(f'{FILE}; filename="a.flac"', SOUND, *(f"X-{number}: 1" for number in range(5000))) + END,
        part(FILE, SOUND) + END,
        part('form-data; filename="a.flac"', SOUND) + END,
        part("form-data", SOUND) + END,
        b"--" + BOUNDARY.encode() + b"\r\n\r\n" + SOUND + b"\r\n" + END,
        part(f'{FILE}; filename=""', SOUND) + END,
        part(f'{FILE}; filename="../../.."', SOUND) + END,
        part(f'{FILE}; filename="."', SOUND) + END,
        part(f"{FILE}; filename*=UTF-8''%2e%2e%2f", SOUND) + END,
        part(f"{FILE}; filename*=UTF-8''a.exe; filename=\"a.flac\"", SOUND) + END,
        part(f'{FILE}; filename="a.flac.exe"', SOUND) + END,
        part(f'{FILE}; filename="a.flac"', b"--inner\r\n" + FILE.encode() + b"\r\n\r\n" + b"x\r\n--inner--") + END,
        part(f'{FILE}; filename="a.flac"', SOUND),
        END,
        (f"--{BOUNDARY}--\r\n--{BOUNDARY}\r\n" * 50).encode(),
        b"\0" * 5000,
    ],
    ids=[
        "500 parts", "a huge header", "5000 headers", "no file name", "no name", "neither", "nothing", "an empty name",
        "only dots", "one dot", "extended dots", "an extended name of a program", "a program", "a form inside",
        "no end", "only an end", "ends without beginnings", "zeros",
    ],
)  # fmt: skip
def test_a_hostile_form_is_refused_and_leaves_nothing(server: Server, body: bytes) -> None:
    before = files(server)
    refusal(send(server, body), 400)
    assert server.scratch() == []
    assert files(server) == before


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        (f'{FILE}; filename="a\0b.flac"', "a_b.flac"),
        (f"{FILE}; filename*=UTF-8''..%2F..%2Fetc%2Fa.flac", "a.flac"),
        (f"{FILE}; filename*=UTF-8''a%00%0d%0a.flac", "a___.flac"),
        (f"{FILE}; filename*=UTF-8''%ff%fe.flac", "��.flac"),
        (f'{FILE}; filename=".hidden.flac"', "hidden.flac"),
        (f'{FILE}; filename="{"a" * 400}.flac"', None),
        (f'{FILE}; filename="-rf *|$(x).flac"', None),
    ],
)
def test_a_hostile_name_of_real_sound_becomes_a_harmless_one(server: Server, name: str, stored: str | None) -> None:
    answer = send(server, part(name, SOUND) + END)
    if answer.status_code == 400:
        refusal(answer, 400)
        return
    kept = answer.json()["filename"]
    assert stored is None or kept == stored
    folder = server.installation.layout.raw_audio(NAME)
    assert [path.name for path in folder.iterdir() if path.read_bytes() == SOUND] == [kept]
    url = f"{server.url}/characters/{NAME}/audio/files/{requests.utils.quote(kept, safe='')}"
    requests.delete(url, timeout=60).raise_for_status()


def test_of_a_field_that_comes_twice_the_first_counts(server: Server) -> None:
    twice = part(f'{FILE}; filename="first.flac"', SOUND) + part(f'{FILE}; filename="second.flac"', b"other") + END
    answer = send(server, twice)
    assert (answer.status_code, answer.json()["filename"]) == (200, "first.flac")
    requests.delete(f"{server.url}/characters/{NAME}/audio/files/first.flac", timeout=60).raise_for_status()


@pytest.mark.parametrize(
    "content_type",
    ["", "nonsense", "a/" * 2000, "multipart/form-data", "multipart/form-data; boundary=",
     "multipart/form-data; boundary=" + "a" * 999, 'multipart/form-data; boundary="a\\"b"',
     "multipart/mixed; boundary=----simple"],
)  # fmt: skip
def test_a_form_without_a_usable_boundary_is_refused(server: Server, content_type: str) -> None:
    refusal(send(server, form("a.flac", SOUND), **{"content-type": content_type}), 400)


def test_nothing_of_all_this_was_a_failure_of_the_service(server: Server) -> None:
    """Runs last: the counters are those of everything above."""
    assert failures(server) == []
