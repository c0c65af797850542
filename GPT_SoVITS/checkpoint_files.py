"""The outer shell of weight files: safe reading of files from strangers, atomic writing, the two-byte version mark.

Nothing in a file is executed: torch's weights-only unpickler builds tensors, plain values and one record type. That
type stands for the configuration class that public files name (`HParams` of a module called `utils`).
"""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from GPT_SoVITS.checkpoint_versions import HEAD_BYTES, ZIP_MARK
from GPT_SoVITS.durable import replacing
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.untrusted_archive import check_archive

LARGEST_FILE_BYTES = 6 * 2**30
_DEEPEST_CONFIG = 8
_MOST_SETTINGS = 10_000
_LOADING = threading.Lock()  # torch keeps its allow-list in one place for all threads


class HParams:
    """A bag of settings as public files pickle it; only its attributes are used."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take the values over; nested mappings become nested bags."""
        for name, value in values.items():
            setattr(self, name, HParams(value) if isinstance(value, Mapping) else value)

    def __setstate__(self, state: object) -> None:
        """Accept a dictionary of attributes, as unpickling hands it over.

        Raises:
            UnpicklingError: the pickled state is anything else.
        """
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise pickle.UnpicklingError("the configuration in the checkpoint is not a set of named values")
        self.__dict__.update(state)


def _path_text(*parts: str) -> str:
    """Stand for the paths that Lightning files name among their settings: only their text is kept.

    Raises:
        UnpicklingError: a part is no text. (Lists within lists could become text without end.)
    """
    if not all(isinstance(part, str) for part in parts):
        raise pickle.UnpicklingError("a path among the settings in the checkpoint is no text")
    return "/".join(parts)


_ALLOWED: list[Any] = [
    (HParams, "utils.HParams"),
    *((_path_text, f"pathlib.{kind}") for kind in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *((_path_text, f"pathlib._local.{kind}") for kind in ("PosixPath", "WindowsPath")),
]


class UntrustedFile(NamedTuple):
    """What was read of a file: its top level, and what its outside says of its version."""

    content: dict[str, Any]
    head: bytes
    """The first 8192 bytes as they stand in the file, mark included."""
    size_bytes: int


class _HParamsPickler(pickle._Pickler):
    """Writes `HParams` under the name by which public tools find their own class of that name."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is HParams:
            self.write(pickle.GLOBAL + b"utils\nHParams\n")  # type: ignore[attr-defined]
            self.memoize(obj)  # type: ignore[attr-defined]
        else:
            super().save_global(obj, name)  # type: ignore[misc]


class _PickleModule:
    """What torch.save wants in place of the module `pickle`."""

    Pickler = _HParamsPickler


def write_atomically(path: Path, content: dict[str, Any], mark: bytes = ZIP_MARK) -> None:
    """Write `content` with torch.save so that `path` is either the old file or the complete new one.

    Args:
        path: where to; its folder is made.
        content: tensors, plain values and `HParams`.
        mark: the two bytes that stand at the start in place of `PK`.
    """
    with replacing(path) as stream:
        torch.save(content, stream, pickle_module=_PickleModule)
        stream.seek(0)
        stream.write(mark)


def read_untrusted(path: Path, marks: frozenset[bytes]) -> UntrustedFile:
    """Return the top level of a weight file, having executed nothing.

    Raises:
        CheckpointError: the file is missing, too large, damaged, compressed, of an unknown mark, or holds code.
    """
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise CheckpointError(f"{path.name} is larger than any model of this kind; it was not read")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from error
    head = data[:HEAD_BYTES]
    if head[:2] not in marks:
        raise CheckpointError(f"{path.name} starts with {head[:2]!r}, which no supported version of a model file does")
    if head[:2] != ZIP_MARK:
        data = ZIP_MARK + data[2:]
    check_archive(path.name, data)
    content = _unpickled(path, data)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path.name} is not a model file: its content is no dictionary")
    return UntrustedFile(content, head, len(data))


def _unpickled(path: Path, data: bytes) -> object:
    try:
        with _LOADING, torch.serialization.safe_globals(_ALLOWED):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path.name} holds something other than weights and settings; it was refused") from error
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"{path.name} is damaged ({type(error).__name__}); copy or download it again") from error


def plain_values(value: object, path: Path) -> Any:
    """Return settings as nested dictionaries, lists and plain values.

    Raises:
        CheckpointError: they hold anything else, are nested too deeply, or are too many.
    """
    left = iter(range(_MOST_SETTINGS))

    def plain(value: object, depth: int) -> Any:
        # A list that holds another one many times, which does the same, is small in a file and has no end here.
        if depth > _DEEPEST_CONFIG or next(left, None) is None:
            raise CheckpointError(f"the settings in {path.name} are nested too deeply, or too many")
        if isinstance(value, HParams):
            value = vars(value)
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            return {name: plain(inner, depth + 1) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner, depth + 1) for inner in value]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise CheckpointError(f"the settings in {path.name} hold a value of type {type(value).__name__}")

    return plain(value, 0)


def ordinary(name: str, tensor: object, source: Path) -> Tensor:
    """Return a weight that was read from `source` as a plain tensor on the CPU, with the values that lie there.

    Raises:
        CheckpointError: it is something else, or larger than the data behind it.
    """
    if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.is_complex():
        raise CheckpointError(f"{source.name}: the weight {name} is not an ordinary tensor")
    value = tensor.detach()
    if value.numel() > value.untyped_storage().nbytes() // value.element_size():
        raise CheckpointError(f"{source.name}: the weight {name} claims to be larger than the data behind it")
    return value
