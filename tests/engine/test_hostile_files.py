"""Weight files that somebody made by hand, to run code, to fill the memory, or to say two things at once."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from GPT_SoVITS.checkpoints import read_gpt_weights, read_sovits_weights
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.untrusted_archive import LARGEST_PICKLE_BYTES

# A pickle is written here opcode by opcode: no pickler would write what these files hold.
STOP, REDUCE, BUILD, NO_ARGUMENTS, FALSE = b".", b"R", b"b", b")", b"\x89"
STORED_BYTES = 16


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def row(*values: bytes) -> bytes:
    return b"(" + b"".join(values) + b"t"


def named(values: dict[str, bytes]) -> bytes:
    return b"}(" + b"".join(text(name) + value for name, value in values.items()) + b"u"


def name(module: str, attribute: str) -> bytes:
    return b"c" + f"{module}\n{attribute}\n".encode()


def tensor(
    size: tuple[int, ...] = (4,),
    stride: tuple[int, ...] = (1,),
    offset: int = 0,
    kind: str = "FloatStorage",
    stored: int = 4,
) -> bytes:
    storage = row(text("storage"), name("torch", kind), text("0"), text("cpu"), number(stored)) + b"Q"
    hooks = name("collections", "OrderedDict") + NO_ARGUMENTS + REDUCE
    parts = (storage, number(offset), row(*map(number, size)), row(*map(number, stride)), FALSE, hooks)
    return name("torch._utils", "_rebuild_tensor_v2") + row(*parts) + REDUCE


def growing_lists(depth: int, width: int = 2) -> bytes:
    """Lists of which each holds the one before several times: few bytes, and text without end."""
    return b"(]q\x01" + (b"](" + b"h\x01" * width + b"eq\x01") * depth + b"t"


def voice(weights: bytes, config: bytes | None = None, info: bytes | None = None) -> bytes:
    content = {"weight": weights, "config": config or named({"model": named({})}), "info": info or text("said")}
    return b"\x80\x02" + named(content) + STOP


def weights(of: bytes | None = None) -> bytes:
    return named({"enc_p.a": of or tensor()})


def packed(pickled: bytes, stored: bytes = bytes(STORED_BYTES), more: dict[str, bytes] | None = None) -> bytes:
    stream = io.BytesIO()
    entries = {"archive/data.pkl": pickled, "archive/byteorder": b"little", "archive/data/0": stored}
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for entry, content in (*entries.items(), ("archive/version", b"3\n"), *(more or {}).items()):
            archive.writestr(entry, content)
    return stream.getvalue()


GOOD = packed(voice(weights()))


def with_central_bytes(offset: int, value: bytes) -> bytes:
    """Change the first entry of the archive's directory."""
    data = bytearray(GOOD)
    start = data.index(b"PK\x01\x02") + offset
    data[start : start + len(value)] = value
    return bytes(data)


def test_the_file_that_the_others_are_made_from_is_read(tmp_path: Path) -> None:
    path = tmp_path / "voice.pth"
    path.write_bytes(GOOD)
    read = read_sovits_weights(path)
    assert read.state_dict["enc_p.a"].tolist() == [0, 0, 0, 0] and read.info == "said"


CALL = name("os", "mkdir") + b"(" + text("executed") + b"t" + REDUCE
HOSTILE = {
    "calls a function": packed(voice(CALL)),
    "calls one by its place on the stack": packed(b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93\x8c\x08executed\x85R."),
    "calls one by an old opcode": packed(b"\x80\x02(S'executed'\nios\nmkdir\n."),
    "hides a second pickle behind the first": packed(voice(weights()), more={"archive/data.pkl": voice(CALL)}),
    "hides one under another case": packed(voice(weights()), more={"archive/DATA.pkl": voice(CALL)}),
    "holds another archive's pickle": packed(voice(weights()), more={"other/data.pkl": voice(CALL)}),
    "is a program for torch": packed(voice(weights()), more={"archive/constants.pkl": b"\x80\x02)."}),
    "stands behind other bytes": b"PK\x03\x04" + bytes(100) + GOOD,
    "ends in a comment": GOOD[:-2] + b"\x04\0more",
    "is locked": with_central_bytes(8, b"\x01"),
    "sets a state on a class": packed(voice(weights(), name("utils", "HParams") + named({"a": number(1)}) + BUILD)),
    "sets a list as state": packed(voice(weights(), name("utils", "HParams") + b")\x81]" + BUILD)),
    "makes settings of a number": packed(voice(weights(), name("utils", "HParams") + row(number(3)) + REDUCE)),
    "fills the memory with a buffer": packed(voice(name("builtins", "bytearray") + row(number(2**40)) + REDUCE)),
    "fills it with a tensor": packed(voice(weights(tensor(size=(2**36,))))),
    "fills it with a tensor of one value": packed(voice(weights(tensor(size=(2**40,), stride=(0,))))),
    "fills it with a storage": packed(voice(weights(tensor(stored=2**40)))),
    "fills it with the text of a path": packed(
        voice(weights(), named({"a": name("pathlib", "PosixPath") + growing_lists(40) + REDUCE}))
    ),
    "fills it with settings": packed(voice(weights(), named({"model": growing_lists(6, 200)}))),
    "fills it with names for the same data": packed(
        voice(
            b"}(" + text("enc_p.a") + tensor((25_000,), stored=25_000) + b"q\x01"
            b"" + b"".join(text(f"enc_p.{number}") + b"h\x01" for number in range(1_000)) + b"u"
        ),
        bytes(100_000),
    ),
    "announces a long text": packed(b"\x80\x02X\xff\xff\xff\xffshort."),
    "announces a longer one": packed(b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"short."),
    "announces a long number": packed(b"\x80\x02\x8b\xff\xff\xff\x7fshort."),
    "is a pickle without end": packed(b"\x80\x02" + b"]" * LARGEST_PICKLE_BYTES),
    "nests settings deeply": packed(voice(weights(), named({"model": b")" + b"\x85" * 100_000}))),
    "looks outside its data": packed(voice(weights(tensor(offset=100)))),
    "looks before its data": packed(voice(weights(tensor(offset=-4)))),
    "walks backwards": packed(voice(weights(tensor(stride=(-1,))))),
    "is smaller than nothing": packed(voice(weights(tensor(size=(-4,))))),
    "has more places than there are numbers": packed(voice(weights(tensor((2**62, 4), (4, 1))))),
    "takes eight bytes for four": packed(voice(weights(tensor(kind="DoubleStorage")))),
    "is a tensor without data": packed(
        voice(
            weights(
                name("torch._utils", "_rebuild_meta_tensor_no_storage")
                + row(name("torch", "float32"), row(number(4)), row(number(1)), FALSE)
                + REDUCE
            )
        )
    ),
    "has a weight without a name": packed(voice(b"}(" + number(3) + tensor() + b"u")),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_is_refused_in_a_sentence_and_nothing_runs(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    for read in (read_sovits_weights, read_gpt_weights):
        with pytest.raises(CheckpointError, match=r"evil\.pth"):
            read(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["evil.pth"]


def test_what_a_file_says_of_itself_is_a_short_line_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    for info, said in ((text("x" * 5_000), "x" * 200), (growing_lists(40), "epoch"), (number(3), "epoch")):
        path.write_bytes(packed(voice(weights(), info=info)))
        assert read_sovits_weights(path).info == said
