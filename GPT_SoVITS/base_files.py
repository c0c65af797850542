"""Where the public base weights of each family lie in a models folder: the layout of a GPT-SoVITS installation.

Loads no torch, so that settings, the daemon and the command line can ask what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.families import Family, FamilyName

HUBERT_FOLDER = "chinese-hubert-base"
ROBERTA_FOLDER = "chinese-roberta-wwm-ext-large"
SPEAKER_FILE = "sv/pretrained_eres2netv2w24s4ep4.ckpt"

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


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """The files and folders that a public family needs, absolute or relative to the working directory."""

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
        """Return what is not there."""
        places = (getattr(self, part.name) for part in fields(self))
        return [place for place in places if place is not None and not place.exists()]


def models_home(models_dir: str = "") -> Path:
    """Return the folder of base weights; "" means GPT_SoVITS/pretrained_models beside this file."""
    return Path(models_dir) if models_dir else Path(__file__).parent / "pretrained_models"


def base_files(family: Family, models_dir: str = "") -> BaseFiles:
    """Return where the base weights of a public family belong, whether or not they are there.

    Raises:
        KeyError: the family is not a public one (`nano`).
    """
    home = models_home(models_dir)
    generator = home / _GENERATORS[family.name]
    return BaseFiles(
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
