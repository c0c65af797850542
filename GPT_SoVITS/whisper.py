"""The Whisper model: loading it, and its encoder as a source of content features."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

logger = logging.getLogger(__name__)

RATE_HZ = 16_000
FEATURE_CHANNELS = 512
"""Width of the encoder of Whisper base; other sizes have other widths."""
SAMPLES_PER_FRAME = 320
"""One content frame: 20 ms at 16 kHz."""
WINDOW_SAMPLES = 30 * RATE_HZ
"""The longest stretch that the encoder has positions for."""


@lru_cache(maxsize=2)
def load_model(path: Path, device: str = "auto", compute_type: str = "int8") -> WhisperModel:
    """Load a model folder; each is loaded once a process.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, or `auto` (a GPU if there is one that works).
        compute_type: as CTranslate2 names it: int8, float16, float32 ...

    A GPU is tried by encoding a second of noise, because loading alone succeeds with missing libraries. If that fails
    the CPU is used with int8, and a warning says so.
    """
    kind, _, number = device.partition(":")
    if kind == "cuda" or (kind == "auto" and _has_gpu()):
        try:
            model = _open(path, "cuda", compute_type, int(number or 0))
            noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32) * 0.01
            content_features(noise, model)
        except (RuntimeError, ValueError, OSError) as error:
            logger.warning("Whisper cannot use the GPU (%s); it runs on the CPU with int8 instead", error)
            return _open(path, "cpu", "int8", 0)
        return model
    return _open(path, "cpu", compute_type, 0)


def content_features(samples_16k: npt.NDArray[np.float32], model: WhisperModel) -> npt.NDArray[np.float32]:
    """Return what the Whisper encoder hears: float32 [channels (512 for base), len(samples) // 320], 50 Hz.

    The sound is encoded at its own length, not padded to 30 s; what is longer than 30 s is encoded in equal windows.

    Args:
        samples_16k: float32 [samples], mono, -1..1, at 16 kHz; at least one frame (320 samples).
    """
    frames = len(samples_16k) // SAMPLES_PER_FRAME
    if frames == 0:
        raise ValueError(f"content features need at least {SAMPLES_PER_FRAME} samples, got {len(samples_16k)}")
    windows = -(-frames * SAMPLES_PER_FRAME // WINDOW_SAMPLES)
    borders = [frames * index // windows for index in range(windows + 1)]
    parts = []
    for first, last in zip(borders, borders[1:], strict=False):
        piece = samples_16k[first * SAMPLES_PER_FRAME : last * SAMPLES_PER_FRAME]
        encoded = np.asarray(encode(log_mel(piece, model)[None], model, to_cpu=True), dtype=np.float32)
        parts.append(encoded[0, : last - first].T)
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def log_mel(samples_16k: npt.NDArray[np.float32], model: WhisperModel) -> npt.NDArray[np.float32]:
    """Return the log-mel spectrogram that the encoder reads: float32 [bands, len(samples) // 160], 10 ms a frame."""
    # The extractor reflects at the edges, so it needs more than half a window of sound.
    padded = np.pad(samples_16k, (0, max(0, 400 - len(samples_16k))))
    mel = model.feature_extractor(padded)
    wanted = max(2, len(samples_16k) // 160)
    return np.ascontiguousarray(mel[:, :wanted], dtype=np.float32)


def encode(mel: npt.NDArray[np.float32], model: WhisperModel, *, to_cpu: bool = False) -> Any:
    """Run the encoder on log-mel spectrograms, float32 [batch, bands, up to 3000 frames].

    Returns:
        ctranslate2.StorageView [batch, frames / 2, channels].
    """
    import ctranslate2

    return model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel)), to_cpu=to_cpu)


def _open(path: Path, device: str, compute_type: str, index: int) -> WhisperModel:
    from faster_whisper import WhisperModel

    threads = len(os.sched_getaffinity(0))
    return WhisperModel(
        str(path),
        device=device,
        device_index=index,
        compute_type=compute_type,
        cpu_threads=threads,
        local_files_only=True,
    )


def _has_gpu() -> bool:
    import ctranslate2

    try:
        return bool(ctranslate2.get_cuda_device_count() > 0)
    except RuntimeError:
        return False
