"""A G2PWModel folder with a tiny network: its readings depend on the character behind the one in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

CHARACTERS = (
    ("行", "ㄏㄤ2"),
    ("行", "ㄒㄧㄥ2"),
    ("長", "ㄓㄤ3"),
    ("長", "ㄔㄤ2"),
    ("和", "ㄏㄜ2"),
    ("和", "ㄏㄢ4"),
    ("萬", "ㄨㄢ4"),
)
LABELS = ("ㄏㄜ2", "ㄏㄢ4", "ㄏㄤ2", "ㄒㄧㄥ2", "ㄓㄤ3", "ㄔㄤ2", "ㄨㄢ4")
PINYIN = {
    "ㄏㄤ": "hang",
    "ㄒㄧㄥ": "xing",
    "ㄓㄤ": "zhang",
    "ㄔㄤ": "chang",
    "ㄏㄜ": "he",
    "ㄏㄢ": "han",
    "ㄨㄢ": "wan",
}
TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "走", "裡", "大", "的", "行", "長", "你")
AFTER = {"走": "ㄒㄧㄥ2", "裡": "ㄏㄤ2", "大": "ㄓㄤ3", "的": "ㄔㄤ2", "你": "ㄏㄢ4"}
"""Token behind the character -> label that the network then prefers."""
INPUTS = ("input_ids", "token_type_ids", "attention_mask", "phoneme_mask", "char_ids", "position_ids")


def write_polyphone_model(models: Path, *, config: str = "use_mask = True\n") -> Path:
    """Write the folder G2PWModel into a models folder and return it."""
    folder = models / "G2PWModel"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{character}\t{reading}" for character, reading in CHARACTERS]
    (folder / "POLYPHONIC_CHARS.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "bopomofo_to_pinyin_wo_tune_dict.json").write_text(json.dumps(PINYIN), encoding="utf-8")
    (folder / "char_bopomofo_dict.json").write_text("{}", encoding="utf-8")
    (folder / "config.py").write_text(config, encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    (folder / "g2pW.onnx").write_bytes(network())
    return folder


def network() -> bytes:
    """The network as an ONNX file: probs = phoneme_mask * scores[token behind the position]."""
    labels = sorted(LABELS)
    scores = np.full((len(TOKENS), len(labels)), 0.1, dtype=np.float32)
    for token, label in AFTER.items():
        scores[TOKENS.index(token), labels.index(label)] = 0.9
    nodes = [
        _node("Add", ["position_ids", "one"], "behind"),
        _node("Unsqueeze", ["behind", "one"], "column"),
        _node("GatherElements", ["input_ids", "column"], "tokens", axis=1),
        _node("Squeeze", ["tokens", "one"], "token"),
        _node("Gather", ["scores", "token"], "preferred", axis=0),
        _node("Mul", ["preferred", "phoneme_mask"], "probs"),
    ]
    constants = [_tensor("one", np.array([1], dtype=np.int64)), _tensor("scores", scores)]
    shapes: dict[str, tuple[int | str, ...]] = dict.fromkeys(INPUTS, ("questions", "tokens"))
    shapes |= {"phoneme_mask": ("questions", len(labels)), "char_ids": ("questions",), "position_ids": ("questions",)}
    inputs = [_value(name, shapes[name], real=name == "phoneme_mask") for name in INPUTS]
    graph = [*(_field(1, node) for node in nodes), _field(2, b"g2pW"), *(_field(5, each) for each in constants)]
    graph += [
        *(_field(11, each) for each in inputs),
        _field(12, _value("probs", ("questions", len(labels)), real=True)),
    ]
    return _field(1, 8) + _field(8, _field(2, 13)) + _field(7, b"".join(graph))


def _field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*written, value])


def _node(kind: str, inputs: Iterable[str], output: str, *, axis: int | None = None) -> bytes:
    node = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode()) + _field(4, kind.encode())
    return node if axis is None else node + _field(5, _field(1, b"axis") + _field(3, axis) + _field(20, 2))


def _tensor(name: str, values: np.ndarray) -> bytes:
    kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}[values.dtype]
    sizes = b"".join(_field(1, size) for size in values.shape)
    return sizes + _field(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, shape: Iterable[int | str], *, real: bool) -> bytes:
    sizes = b"".join(
        _field(1, _field(1, size) if isinstance(size, int) else _field(2, size.encode())) for size in shape
    )
    return _field(1, name.encode()) + _field(2, _field(1, _field(1, 1 if real else 7) + _field(2, sizes)))
