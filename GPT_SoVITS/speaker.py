"""The speaker vector of the Pro families: who speaks, as 20480 numbers."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from GPT_SoVITS.base_files import base_files, missing_model
from GPT_SoVITS.checkpoint_files import read_untrusted
from GPT_SoVITS.checkpoint_versions import ZIP_MARK
from GPT_SoVITS.encoder_folder import install_weights
from GPT_SoVITS.errors import AudioError
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.eres2net import MEL_BANDS, ERes2NetV2
from GPT_SoVITS.resampling import sinc_resample

RATE_HZ = 16_000
SHORTEST_SAMPLES = 400
"""One filterbank frame: 25 ms at 16 kHz."""


class SpeakerEncoder:
    """A loaded ERes2NetV2 with the filterbank in front of it."""

    def __init__(self, network: ERes2NetV2, device: torch.device) -> None:
        """Take over a network that has its weights."""
        self._network = network.eval().to(device)
        self.device = device

    def embed(self, samples: NDArray[np.float32], rate_hz: int) -> Tensor:
        """Return the speaker vector, float32 [1, 20480], on the CPU.

        Args:
            samples: float32 [samples], mono, -1..1.
            rate_hz: its rate; anything but 16 kHz is resampled with torchaudio.

        Raises:
            AudioError: there is less than one frame of sound.
        """
        heard = sinc_resample(samples, rate_hz, RATE_HZ)
        if len(heard) < SHORTEST_SAMPLES:
            raise AudioError(f"the clip is too short to tell the speaker: {len(heard) / 16:.0f} ms, 25 are needed")
        with torch.no_grad():
            vector: Tensor = self._network(filterbank(heard).unsqueeze(0).to(self.device))
        return vector.cpu()


def filterbank(samples_16k: NDArray[np.float32]) -> Tensor:
    """Return Kaldi's log-mel filterbank, float32 [1 + (samples - 400) // 160, 80]; no dither, no mean normalisation."""
    from torchaudio.compliance import kaldi

    wave = torch.from_numpy(np.ascontiguousarray(samples_16k, dtype=np.float32)).unsqueeze(0)
    features: Tensor = kaldi.fbank(wave, num_mel_bins=MEL_BANDS, sample_frequency=RATE_HZ, dither=0.0)
    return features


def speaker_encoder(family: Family, models_dir: str = "", device: str = "cpu") -> SpeakerEncoder | None:
    """Return the speaker encoder of a family, or None where it has none; loaded once a process and device.

    Raises:
        ModelMissingError: its file is not there.
        CheckpointError: the file is damaged or holds another kind of model.
    """
    if not family.uses_speaker_vector:
        return None
    path = base_files(family, models_dir).speaker
    assert path is not None
    if not path.is_file():
        raise missing_model(family, [path], models_dir)
    return load_speaker_encoder(path.absolute(), device)


@lru_cache(maxsize=4)
def load_speaker_encoder(path: Path, device: str = "cpu") -> SpeakerEncoder:
    """Return the encoder in a file (a bare state dict), loaded once a process and device; nothing in it is executed.

    Raises:
        CheckpointError: the file is damaged or holds another kind of model.
    """
    weights = read_untrusted(path, frozenset({ZIP_MARK})).content
    with torch.device("meta"):
        network = ERes2NetV2()
    install_weights(network, weights, path)
    return SpeakerEncoder(network, torch.device(device))
