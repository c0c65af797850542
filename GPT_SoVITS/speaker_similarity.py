"""How alike two voices sound: the speaker encoder of Resemblyzer 0.1.4, read from the weights that its wheel carries.

The network is the one of Wan et al. 2018 (generalised end-to-end loss): three LSTM layers over 40 mel bands at 16 kHz,
windows of 1.6 s, their unit vectors averaged. The package itself is never imported, so that its recorder's
requirements are not needed.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from GPT_SoVITS.audio import resample
from GPT_SoVITS.errors import ModelMissingError
from GPT_SoVITS.families import AudioConfig
from GPT_SoVITS.mel import mel_filter_bank

VECTOR_CHANNELS = 256
_RATE_HZ = 16_000
_MEL = AudioConfig(_RATE_HZ, 400, 160, 400, 40)
_WINDOW_FRAMES = 160
_STEP_FRAMES = 77
"""1.3 windows a second."""
_LEAST_COVERAGE = 0.75
"""A last window with a smaller share of sound than this is left out."""
_TARGET_DBFS = -30.0
"""Every sound is brought to this level, louder ones too (the package only raises quiet ones), so that none counts."""


class SpeakerVectors(nn.Module):
    """Mel frames [B, T, 40] to unit vectors [B, 256]; parameter names are those of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(_MEL.mel_bands, VECTOR_CHANNELS, 3, batch_first=True)
        self.linear = nn.Linear(VECTOR_CHANNELS, VECTOR_CHANNELS)

    def forward(self, mel: Tensor) -> Tensor:
        """Return one vector an item."""
        _, (hidden, _) = self.lstm(mel)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=1)


@lru_cache(maxsize=1)
def _encoder() -> SpeakerVectors:
    spec = importlib.util.find_spec("resemblyzer")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / "pretrained.pt" if folders else Path("resemblyzer/pretrained.pt")
    if not path.is_file():
        raise ModelMissingError("speaker similarity needs the weights of the package resemblyzer; install it again")
    stored = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    model = SpeakerVectors()
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model.eval()


def speaker_vector(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return the unit vector [256] of a voice.

    Args:
        samples: float32 [samples], mono, with as little silence as possible.
        rate_hz: their rate.

    Raises:
        ModelMissingError: the encoder's weights are not installed.
    """
    heard = resample(samples, rate_hz, _RATE_HZ)
    level_db = 20 * float(np.log10(max(float(np.sqrt(np.mean(np.square(heard)))) if heard.size else 0.0, 1e-6)))
    heard = heard * np.float32(10 ** ((_TARGET_DBFS - level_db) / 20))
    mel = _mel_frames(torch.from_numpy(np.ascontiguousarray(heard)))
    with torch.inference_mode():
        vectors = _encoder()(_windows(mel))
    return F.normalize(vectors.mean(dim=0), dim=0).numpy()


def _mel_frames(wave: Tensor) -> Tensor:
    """Return mel powers [T, 40] of a wave [samples]."""
    spectrum = torch.stft(
        wave, 400, 160, 400, torch.hann_window(400), center=True, pad_mode="constant", return_complex=True
    )
    return (mel_filter_bank(_MEL, torch.device("cpu")) @ spectrum.abs().square()).T


def _windows(mel: Tensor) -> Tensor:
    """Cut mel frames [T, 40] into overlapping windows [B, 160, 40]; a short sound is filled up with silence."""
    frames = mel.shape[0]
    starts = list(range(0, max(1, frames - _WINDOW_FRAMES + _STEP_FRAMES), _STEP_FRAMES))
    if len(starts) > 1 and (frames - starts[-1]) / _WINDOW_FRAMES < _LEAST_COVERAGE:
        starts.pop()
    padded = F.pad(mel, (0, 0, 0, max(0, starts[-1] + _WINDOW_FRAMES - frames)))
    return torch.stack([padded[start : start + _WINDOW_FRAMES] for start in starts])


def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the cosine of two unit vectors."""
    return float(one @ other)
