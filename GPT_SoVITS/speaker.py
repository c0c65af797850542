"""The speaker vector of the Pro families: who speaks, as 20480 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from GPT_SoVITS.audio import refuse_short
from GPT_SoVITS.base_files import base_files, missing_model
from GPT_SoVITS.batching import encoded_together
from GPT_SoVITS.checkpoint_files import read_untrusted
from GPT_SoVITS.checkpoint_versions import ZIP_MARK
from GPT_SoVITS.encoder_folder import install_weights
from GPT_SoVITS.families import Family
from GPT_SoVITS.models.eres2net import MEL_BANDS, ERes2NetV2
from GPT_SoVITS.resampling import sinc_resample

RATE_HZ = 16_000
FRAMES_TOGETHER = 3000
"""Filterbank frames of a batch with its padding: half a minute of sound. On a CPU each clip goes alone: together they
take 1.4 times as long (measured)."""


class SpeakerEncoder:
    """A loaded ERes2NetV2 with the filterbank in front of it."""

    def __init__(self, network: ERes2NetV2, device: torch.device, frames_together: int | None = None) -> None:
        """Take over a network that has its weights.

        Args:
            network: goes to the device.
            device: where to hear.
            frames_together: see FRAMES_TOGETHER.
        """
        self._network = network.eval().to(device)
        self.device = device
        usual = 0 if device.type == "cpu" else FRAMES_TOGETHER
        self._frames_together = usual if frames_together is None else frames_together

    def embed(self, waves_16k: Sequence[NDArray[np.float32]]) -> list[Tensor]:
        """Return the speaker vector of each clip, float32 [1, 20480], on the CPU.

        Clips are heard together under a mask; a vector depends on the other clips by rounding only.

        Args:
            waves_16k: float32 [samples] each, mono, -1..1, at 16 kHz; see `speaker_wave`.

        Raises:
            AudioError: one has less than one frame of sound.
        """
        return encoded_together([filterbank(wave) for wave in waves_16k], self._frames_together, self._vectors)

    def _vectors(self, clips: Sequence[Tensor]) -> Tensor:
        """Filterbanks of each clip [frames, 80] → vectors [clips, 1, 20480]"""
        lengths = torch.tensor([len(rows) for rows in clips], device=self.device)
        padded = pad_sequence(list(clips), batch_first=True).to(self.device)
        with torch.no_grad():
            vectors: Tensor = self._network(padded, lengths)
        return vectors.unsqueeze(1).cpu()


def speaker_wave(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return what the encoder hears of a waveform float32 [samples]: the same at 16 kHz, resampled as torchaudio does.

    Raises:
        AudioError: there is less than one frame of sound.
    """
    heard = sinc_resample(samples, rate_hz, RATE_HZ)
    refuse_short(heard, RATE_HZ)
    return heard


def filterbank(samples_16k: NDArray[np.float32]) -> Tensor:
    """Return Kaldi's log-mel filterbank, float32 [1 + (samples - 400) // 160, 80]; no dither, no mean normalisation.

    Raises:
        AudioError: there is less than one frame of sound.
    """
    from torchaudio.compliance import kaldi

    refuse_short(samples_16k, RATE_HZ)
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
