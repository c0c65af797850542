"""Where the public base weights of each family lie in a models folder: the layout of a GPT-SoVITS installation.

Loads no torch, so that settings, the daemon and the command line can ask what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.families import FAMILIES, Family, FamilyName

HUBERT_FOLDER = "chinese-hubert-base"
ROBERTA_FOLDER = "chinese-roberta-wwm-ext-large"
POLYPHONE_FOLDER = "G2PWModel"
SPEAKER_FILE = "sv/pretrained_eres2netv2w24s4ep4.ckpt"
PUBLIC_FAMILIES: tuple[FamilyName, ...] = tuple(name for name in FamilyName if name is not FamilyName.NANO)

NANO_FOLDER = "nano"
NANO_CHECKSUMS = "SHA256SUMS"
"""Lies beside the weights of the nano base, which is there where this file is."""

_GENERATORS = {
    FamilyName.V1: "s2G488k.pth",
    FamilyName.V2: "gsv-v2final-pretrained/s2G2333k.pth",
    FamilyName.V2_PRO: "v2Pro/s2Gv2Pro.pth",
    FamilyName.V2_PRO_PLUS: "v2Pro/s2Gv2ProPlus.pth",
}
_GPTS = {
    FamilyName.V1: "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
    FamilyName.V2: "gsv-v2final-pretrained/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",
    FamilyName.V2_PRO: "s1v3.ckpt",
    FamilyName.V2_PRO_PLUS: "s1v3.ckpt",
}


class Part(StrEnum):
    """What a base file is for."""

    GENERATOR = "generator"
    DISCRIMINATOR = "discriminator"
    GPT = "gpt"
    HUBERT = "hubert"
    ROBERTA = "roberta"
    SPEAKER = "speaker"
    POLYPHONES = "polyphones"


@dataclass(frozen=True, slots=True)
class BaseFile:
    """One file of a base, by its path in the models folder."""

    part: Part
    path: str
    substitutes: tuple[str, ...] = ()
    """Paths of other files that do the same; the first of all that is there is used."""
    optional: bool = False
    """Whether everything works without it."""

    def found(self, home: Path) -> Path | None:
        """Return where it is, itself or a substitute, if anywhere."""
        return next((home / path for path in (self.path, *self.substitutes) if (home / path).is_file()), None)


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """The files and folders that a public family needs, absolute or relative to the working directory."""

    home: Path
    files: tuple[BaseFile, ...]
    generator: Path
    discriminator: Path
    gpt: Path
    hubert: Path
    """Folder of the content encoder, as transformers saves it."""
    roberta: Path
    """Folder of the text encoder, as transformers saves it."""
    speaker: Path | None
    """The speaker encoder, or None where the family has no speaker vector."""

    def missing(self) -> list[Path]:
        """Return what is not there and needed."""
        return [self.home / file.path for file in self.files if not file.optional and file.found(self.home) is None]


POLYPHONE_FILES = (
    BaseFile(Part.POLYPHONES, f"{POLYPHONE_FOLDER}/g2pW.onnx", (f"{POLYPHONE_FOLDER}/g2pw.onnx",)),
    BaseFile(Part.POLYPHONES, f"{POLYPHONE_FOLDER}/POLYPHONIC_CHARS.txt"),
    BaseFile(Part.POLYPHONES, f"{POLYPHONE_FOLDER}/bopomofo_to_pinyin_wo_tune_dict.json"),
    BaseFile(Part.POLYPHONES, f"{POLYPHONE_FOLDER}/config.py", optional=True),
    BaseFile(
        Part.POLYPHONES,
        f"{POLYPHONE_FOLDER}/vocab.txt",
        (f"{ROBERTA_FOLDER}/vocab.txt", f"{ROBERTA_FOLDER}/tokenizer.json"),
    ),
)
"""The g2pW model, which may be there: readings of Mandarin characters in context. Its vocabulary is that of the text
encoder (both are BERT for Chinese)."""


@dataclass(frozen=True, slots=True)
class PolyphoneFiles:
    """The files of the g2pW model; `state` changes when one of them is replaced."""

    network: Path
    characters: Path
    pinyin: Path
    config: Path | None
    vocabulary: Path
    state: str


def polyphone_files(models_dir: str = "") -> PolyphoneFiles | None:
    """Return the files of the g2pW model, or None where there is no such model.

    Raises:
        ModelMissingError: some of its files are there and others are not; names them.
    """
    home = models_home(models_dir)
    network, characters, pinyin, config, vocabulary = (file.found(home) for file in POLYPHONE_FILES)
    if network is None:
        return None
    if characters is None or pinyin is None or vocabulary is None:
        lacking = [file.path for file in POLYPHONE_FILES if not file.optional and file.found(home) is None]
        raise ModelMissingError(
            f"the polyphone model in {home} lacks {', '.join(lacking)}; copy its folder again, or delete it"
        )
    present = [path for path in (network, characters, pinyin, config, vocabulary) if path is not None]
    state = ",".join(f"{path.relative_to(home)} {path.stat().st_size}" for path in present)
    return PolyphoneFiles(network, characters, pinyin, config, vocabulary, state)


def polyphone_state(models_dir: str = "") -> str:
    """Return what changes when the g2pW model appears, vanishes or is replaced; empty where there is no usable one."""
    try:
        files = polyphone_files(models_dir)
    except ModelMissingError:
        return ""
    return files.state if files is not None else ""


def models_home(models_dir: str = "") -> Path:
    """Return the folder of base weights; "" means GPT_SoVITS/pretrained_models beside this file."""
    return Path(models_dir) if models_dir else Path(__file__).parent / "pretrained_models"


def files_of(name: FamilyName) -> tuple[BaseFile, ...]:
    """Return every file of a public family's base.

    Raises:
        KeyError: the family is not a public one (`nano`).
    """
    generator = _GENERATORS[name]
    networks = (
        BaseFile(Part.GENERATOR, generator),
        BaseFile(Part.DISCRIMINATOR, generator.replace("s2G", "s2D")),
        BaseFile(Part.GPT, _GPTS[name]),
    )
    speaker = (BaseFile(Part.SPEAKER, SPEAKER_FILE),) if FAMILIES[name].uses_speaker_vector else ()
    return (*networks, *_encoder(Part.HUBERT, HUBERT_FOLDER), *_encoder(Part.ROBERTA, ROBERTA_FOLDER), *speaker)


def _encoder(part: Part, folder: str) -> tuple[BaseFile, ...]:
    config = BaseFile(part, f"{folder}/config.json")
    weights = BaseFile(part, f"{folder}/pytorch_model.bin", (f"{folder}/model.safetensors",))
    if part is Part.HUBERT:
        return config, BaseFile(part, f"{folder}/preprocessor_config.json", optional=True), weights
    return config, BaseFile(part, f"{folder}/tokenizer.json", (f"{folder}/vocab.txt",)), weights


def base_files(family: Family, models_dir: str = "") -> BaseFiles:
    """Return where the base weights of a public family belong, whether or not they are there.

    Raises:
        KeyError: the family is not a public one (`nano`).
    """
    home = models_home(models_dir)
    generator = home / _GENERATORS[family.name]
    return BaseFiles(
        home=home,
        files=files_of(family.name),
        generator=generator,
        discriminator=generator.with_name(generator.name.replace("s2G", "s2D")),
        gpt=home / _GPTS[family.name],
        hubert=home / HUBERT_FOLDER,
        roberta=home / ROBERTA_FOLDER,
        speaker=home / SPEAKER_FILE if family.uses_speaker_vector else None,
    )


def require_base_files(family: Family, models_dir: str = "") -> BaseFiles:
    """Return the base files of a public family.

    Raises:
        ModelMissingError: names what is missing, where it belongs and the command that fetches it.
        KeyError: the family is not a public one (`nano`).
    """
    files = base_files(family, models_dir)
    if missing := files.missing():
        raise missing_model(family, missing, models_dir)
    return files


def missing_model(family: Family, paths: Sequence[Path], models_dir: str = "") -> ModelMissingError:
    """Return the error that names files of a family which are not there, and the command that fetches them."""
    home = models_home(models_dir)
    names = ", ".join(str(path.relative_to(home)) for path in paths)
    return ModelMissingError(
        f"the model family {family.name} needs {names} in {home}; fetch them with "
        f"`sovits-daemon models pull {family.name}` or `sovits-daemon models import DIR`, or choose the family nano"
    )


def nano_base(models_dir: str = "") -> Path | None:
    """Return the folder of the nano base, or None where there is none; one in `models_dir` comes first."""
    homes = (models_home(models_dir), models_home())
    return next((home / NANO_FOLDER for home in homes if (home / NANO_FOLDER / NANO_CHECKSUMS).is_file()), None)


def has_base(family: Family, models_dir: str = "") -> bool:
    """Return whether the base weights of a family are there, so that it speaks without a trained voice."""
    if family.name is FamilyName.NANO:
        return nano_base(models_dir) is not None
    return not base_files(family, models_dir).missing()
