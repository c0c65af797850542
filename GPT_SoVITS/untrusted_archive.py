"""What a weight file from a stranger must be before anything in it is unpickled. Loads no torch.

A plain archive, which every reader of archives understands in the same way, with one pickle in it that names nothing
but tensors, settings and paths. torch's weights-only unpickler allows more, such as buffers of any size.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections import Counter

from GPT_SoVITS.errors import CheckpointError

LARGEST_PICKLE_BYTES = 16 * 2**20
"""The pickle holds names and shapes only; that of the largest public training state has less than a megabyte."""

_PICKLE = "/data.pkl"
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_NAMES = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "utils HParams",
        *(f"torch {kind}Storage" for kind in _STORAGES),
        *(f"{module} {kind}" for module in ("pathlib", "pathlib._local") for kind in _PATHS),
    }
)


def check_archive(name: str, data: bytes) -> None:
    """Refuse an archive that is cut short, would grow when unpacked, can be read in two ways, or names code.

    Args:
        name: of the file, for messages.
        data: all of it, beginning with `PK`.

    Raises:
        CheckpointError: says what is wrong with it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            pickle_name = _check_entries(name, archive, len(data))
            pickled = archive.read(pickle_name)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise CheckpointError(f"{name} is damaged or cut short; copy or download it again") from error
    _check_pickle(name, pickled)


def _check_entries(name: str, archive: zipfile.ZipFile, size_bytes: int) -> str:
    """Return the name of the one pickle."""
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{name} is compressed, which model files never are; it was refused")
    if sum(entry.file_size for entry in entries) > size_bytes:
        raise CheckpointError(f"{name} claims to hold more than its size; it was refused")
    # torch finds entries whatever their case.
    times = Counter(entry.filename.casefold() for entry in entries)
    starts_at = min((entry.header_offset for entry in entries), default=0)
    if starts_at != 0 or archive.comment or any(count > 1 for count in times.values()):
        raise CheckpointError(f"{name} can be read in more than one way, as model files never can; it was refused")
    pickles = [entry for entry in entries if entry.filename.casefold().endswith(_PICKLE)]
    if len(pickles) != 1:
        raise CheckpointError(f"{name} is no model file: it holds {len(pickles)} lists of weights in place of one")
    if pickles[0].file_size > LARGEST_PICKLE_BYTES:
        raise CheckpointError(f"{name} lists more than any model of this kind has; it was refused")
    return pickles[0].filename


def _check_pickle(name: str, pickled: bytes) -> None:
    """Refuse a pickle that names anything but tensors, settings and paths."""
    try:
        named = {str(argument) for code, argument, _ in pickletools.genops(pickled) if code.name == "GLOBAL"}
    except (ValueError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{name} is damaged; copy or download it again") from error
    if others := sorted(named - _NAMES):
        what = others[0].replace(" ", ".")[:100]
        raise CheckpointError(f"{name} holds something other than weights and settings ({what!r}); it was refused")
