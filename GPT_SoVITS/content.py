"""Content features: what is said, without who says it. Which encoder makes them is a matter of the family."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.audio import resample
from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.families import Family, FamilyName

CONTENT_RATE_HZ = 16_000

ContentEncoder = Callable[[NDArray[np.float32]], Tensor]
"""Takes a waveform float32 [samples] at 16 kHz and returns features float32 [1, ssl_channels, frames] at 50 Hz."""

_PUBLIC_FILES: dict[FamilyName, tuple[str, ...]] = {
    FamilyName.V1: ("s2G488k.pth", "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt"),
    FamilyName.V2: (
        "gsv-v2final-pretrained/s2G2333k.pth",
        "gsv-v2final-pretrained/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",
    ),
    FamilyName.V2_PRO: ("v2Pro/s2Gv2Pro.pth", "s1v3.ckpt"),
    FamilyName.V2_PRO_PLUS: ("v2Pro/s2Gv2ProPlus.pth", "s1v3.ckpt"),
}


def require_supported(family: Family, models_dir: str = "") -> None:
    """Refuse a family whose encoders this version does not have.

    Raises:
        ModelMissingError: names the files and where they belong.
    """
    files = _PUBLIC_FILES.get(family.name)
    if files is not None:
        place = models_dir or "GPT_SoVITS/pretrained_models"
        raise ModelMissingError(
            f"the model family {family.name} needs {', '.join(files)} and chinese-hubert-base/ in {place}, "
            "and this version can only train and speak with the family nano; set the family to nano"
        )


def content_encoder(family: Family, models_dir: str = "") -> ContentEncoder:
    """Return the content encoder of a family, loaded once a process; `nano` always hears with Whisper base on the CPU.

    The features feed a fixed codebook, so the same encoder serves whatever model transcribes.

    Raises:
        ModelMissingError: the encoder is not installed, or the family is not supported.
    """
    require_supported(family, models_dir)
    from GPT_SoVITS.whisper import content_features, load_model
    from GPT_SoVITS.whisper_files import locate_model

    model = load_model(locate_model("", models_dir), "cpu", "int8")

    def encode(samples_16k: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(content_features(samples_16k, model)).unsqueeze(0)

    return encode


def content_wave(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return what the encoder hears of a waveform float32 [samples]: the same at 16 kHz."""
    return resample(samples, rate_hz, CONTENT_RATE_HZ)
