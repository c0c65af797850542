"""Which family a semantic-to-waveform (s2) file belongs to: public marks, hashes, sizes, and the weights themselves.

The tables are those of the public loader. Public files name no version in their settings; some start with a two-byte
mark in place of `PK`, the pretrained ones are known by the MD5 of their first 8192 bytes, all others go by size until
the phone table, whose rows tell v1 from v2, is at hand. Loads no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from GPT_SoVITS.checkpoint_settings import rebuilt
from GPT_SoVITS.errors import CheckpointError
from GPT_SoVITS.families import FAMILIES, Decoder, Family, FamilyName

if TYPE_CHECKING:
    from torch import Tensor

HEAD_BYTES = 8192
ZIP_MARK = b"PK"
MARKS = {FamilyName.V2_PRO: b"05", FamilyName.V2_PRO_PLUS: b"06"}
"""The marks with which finished weights of the Pro families are written."""

_LARGEST_V1_BYTES = 82_978 * 1024
_LARGEST_V2_BYTES = 700 * 1024 * 1024
_FAMILY_OF_ROWS = {322: FamilyName.V1, 732: FamilyName.V2}
_UNSUPPORTED = ("v3", "v4")
_FLOW_MATCHING_PREFIX = "cfm."
"""Only the v3 and v4 networks have weights of this name."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What the outside of a file says: its phone table, its networks, and whether it is a LoRA supplement."""

    symbols: str
    model: str
    lora: bool = False

    def __str__(self) -> str:
        return f"{self.model} (LoRA)" if self.lora else self.model


_BY_HASH = {
    "dc3c97e17592963677a4a1681f30c653": FileVersion("v2", "v2"),  # s2G488k.pth: really v1, as its phone table tells
    "6642b37f3dbb1f76882b69937c95a5f3": FileVersion("v2", "v2"),  # s2G2333k.pth
    "43797be674a37c1c83ee81081941ed0f": FileVersion("v2", "v3"),  # s2Gv3.pth
    "4f26b9476d0c5033e04162c486074374": FileVersion("v2", "v4"),  # s2Gv4.pth
    "c7e9fce2223f3db685cdfa1e6368728a": FileVersion("v2", "v2Pro"),  # s2Gv2Pro.pth
    "66b313e39455b57ab1b0bc0b239c9d0a": FileVersion("v2", "v2ProPlus"),  # s2Gv2ProPlus.pth
}
_BY_MARK = {
    b"00": FileVersion("v1", "v1"),
    b"01": FileVersion("v2", "v2"),
    b"02": FileVersion("v2", "v3"),
    b"03": FileVersion("v2", "v3", lora=True),
    b"04": FileVersion("v2", "v4", lora=True),
    b"05": FileVersion("v2", "v2Pro"),
    b"06": FileVersion("v2", "v2ProPlus"),
}


def known_version(head: bytes) -> FileVersion | None:
    """Return what the first bytes (up to 8192) of a file prove, None where they prove nothing."""
    by_hash = _BY_HASH.get(hashlib.md5(head[:HEAD_BYTES], usedforsecurity=False).hexdigest())
    return by_hash or _BY_MARK.get(head[:2])


def recognise(head: bytes, size_bytes: int) -> FileVersion:
    """Return the version of a file by the public rules: hash of its first 8192 bytes, its mark, its size."""
    known = known_version(head)
    if known is not None:
        return known
    if size_bytes < _LARGEST_V1_BYTES:
        return FileVersion("v1", "v1")
    return FileVersion("v2", "v2" if size_bytes < _LARGEST_V2_BYTES else "v3")


def refuse_unsupported(path: Path) -> None:
    """Refuse a v3 or v4 file before anything of it is read.

    Raises:
        CheckpointError: its first bytes say that it is one, or it cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            known = known_version(stream.read(HEAD_BYTES))
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}") from error
    if known is not None and known.model in _UNSUPPORTED:
        raise _unsupported(path, str(known))


def family_of(path: Path, state: Mapping[str, Tensor], settings: Mapping[str, Any], outside: FileVersion) -> Family:
    """Tell the family of s2 weights; what the weights prove wins over what is said.

    Args:
        path: where they were read from, for messages.
        state: the weights.
        settings: the settings beside them, as plain values.
        outside: what `recognise` made of the file.

    Raises:
        CheckpointError: they are of v3 or v4, or a `nano` file does not say its sizes.
    """
    model = settings.get("model", {})
    said = model.get("version") if isinstance(model, dict) else None
    if said in _UNSUPPORTED or any(name.startswith(_FLOW_MATCHING_PREFIX) for name in state):
        raise _unsupported(path, str(said) if said in _UNSUPPORTED else "v3 or v4")
    if said == FamilyName.NANO:
        nano = FAMILIES[FamilyName.NANO]
        # Files from before the harmonic decoder do not name theirs, and those from before timings have none.
        older = replace(nano.sovits, decoder=Decoder.HIFI_GAN.value, phone_timings=0)
        return replace(nano, sovits=rebuilt(older, settings.get("sovits"), path))
    pro = next((name for name in MARKS if name in (outside.model, said)), None)
    if pro is not None:
        return FAMILIES[pro]
    if "sv_emb.weight" in state:
        return FAMILIES[_pro_by_width(state)]
    return FAMILIES[_by_phone_table(state, said if isinstance(said, str) else outside.model)]


def _pro_by_width(state: Mapping[str, Tensor]) -> FamilyName:
    """Tell the two Pro families apart, as training files carry neither mark nor version."""
    first = state.get("dec.conv_pre.weight")
    width = first.shape[0] if first is not None and first.dim() else 0
    plus = FamilyName.V2_PRO_PLUS
    return plus if width == FAMILIES[plus].sovits.upsample_initial_channel else FamilyName.V2_PRO


def _by_phone_table(state: Mapping[str, Tensor], said: str) -> FamilyName:
    """Tell v1 from v2: the phone table decides, as some public v1 files call themselves v2."""
    table = state.get("enc_p.text_embedding.weight")
    if table is not None and table.dim() and table.shape[0] in _FAMILY_OF_ROWS:
        return _FAMILY_OF_ROWS[table.shape[0]]
    return FamilyName.V1 if said == FamilyName.V1 else FamilyName.V2


def _unsupported(path: Path, version: str) -> CheckpointError:
    known = ", ".join(FamilyName)
    return CheckpointError(f"{path.name} is a {version} model, which is not supported; use one of: {known}")
