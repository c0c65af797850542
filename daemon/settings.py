"""Settings: one YAML file, then the environment (`SOVITS_<SECTION>__<KEY>`), then the command line.

Every field is documented here and validated at start, with all problems reported at once. Unknown keys are errors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.errors import SettingsError

ENVIRONMENT_PREFIX = "SOVITS_"
CONFIG_VARIABLE = "SOVITS_CONFIG"
CHECKOUT = Path(__file__).resolve().parent.parent


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class WatchMode(StrEnum):
    """How the inbox is watched."""

    AUTO = "auto"
    NATIVE = "native"
    POLLING = "polling"
    OFF = "off"


class InboxMode(StrEnum):
    """What taking a file does to the original."""

    MOVE = "move"
    KEEP = "keep"


class ServerSettings(_Section):
    """The REST server."""

    host: str = "0.0.0.0"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port; 0 lets the system choose one."""
    workers: int = Field(default=1, ge=1, le=64)
    """Number of API processes."""
    reload: bool = False
    """Restart the API when its code changes; for development."""
    enabled: bool = True
    """Whether the daemon starts the API at all."""
    max_upload_bytes: int = Field(default=1_073_741_824, ge=1)
    """Largest upload in bytes; more is answered with 413."""
    body_seconds: float = Field(default=60.0, gt=0)
    """The body of a request may keep the server waiting this long; every 500 bytes of it give a second back, slower
    ones are answered with 408."""


class PathSettings(_Section):
    """Folders. Relative ones are taken from the present directory."""

    work_dir: Path = CHECKOUT / "work_dir"
    """State: database, characters, logs, outputs."""
    inbox_dir: Path = CHECKOUT / "inbox"
    """Where recordings are dropped, one folder a character."""
    models_dir: Path | None = None
    """Public base weights; empty: GPT_SoVITS/pretrained_models of the installation."""


class ModelSettings(_Section):
    """Public base weights."""

    mirror: str = Field(default="", pattern="^(https?://.+)?$")
    """Address of a mirror of the hub for `models pull`; empty: HF_ENDPOINT, else the hub itself."""


class GpuSettings(_Section):
    """Devices."""

    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    """auto takes a GPU where there is one."""
    gpu_id: str = Field(default="0", pattern=r"^\d+(-\d+)*$")
    """Default GPUs of a new character, such as 0 or 0-1-2."""


class TrainingSettings(_Section):
    """Jobs and the defaults of a new character."""

    family: str = "auto"
    """Model family: auto, nano, v1, v2, v2Pro or v2ProPlus. auto is nano where no public base weights are."""
    language: str = "zh"
    """Spoken language: zh, en, ja, ko, yue or auto."""
    batch_size: int = Field(default=16, ge=1, le=512)
    """Clips a training step."""
    epochs_s2: int = Field(default=50, ge=1, le=10_000)
    """Epochs of SoVITS training."""
    epochs_s1: int = Field(default=15, ge=1, le=10_000)
    """Epochs of GPT training."""
    enable_denoise: bool = True
    """Reduce noise before training."""
    auto_process: bool = True
    """Queue processing by itself when a character's inbox folder has been quiet."""
    auto_train: bool = True
    """Queue training after such a processing."""
    keep_versions: int = Field(default=5, ge=1, le=10_000)
    """Newest versions of a voice that are kept, besides the one that speaks."""
    dpo: bool = False
    """Train the text-to-semantic model against damaged copies of its data as well (DPO); takes twice as long."""
    feature_processes: int = Field(default=0, ge=0, le=1024)
    """Processes that make features on the CPU; 0: as many as cores, memory and clips suggest."""
    training_processes: int = Field(default=0, ge=0, le=64)
    """Processes that train one model together; 0: one for each GPU of gpu_id, one on the CPU."""
    max_attempts: int = Field(default=3, ge=1, le=100)
    """A job that ends without a verdict (crash, kill) this often has failed."""
    cancel_grace_s: float = Field(default=10.0, ge=0)
    """Seconds between SIGTERM and SIGKILL for a worker."""
    stall_seconds: float = Field(default=3600.0, ge=0)
    """A worker that gives no sign of life for this long is ended and its job tried again; 0 never."""
    retry_seconds: float = Field(default=60.0, ge=0)
    """Pause before a job is tried again after a lack of disk space or memory."""


class InboxSettings(_Section):
    """Taking recordings."""

    watch: WatchMode = WatchMode.AUTO
    """auto, native, polling (for network mounts) or off."""
    mode: InboxMode = InboxMode.MOVE
    """move takes the originals out of the inbox, keep copies them."""
    settle_seconds: float = Field(default=3.0, ge=0)
    """A file is taken when size and time have not changed for this long."""
    quiet_seconds: float = Field(default=30.0, ge=0)
    """Processing is queued when a character's folder has been quiet for this long."""
    reconcile_seconds: float = Field(default=300.0, gt=0)
    """How often disk and database are compared even when no event came."""
    min_duration_s: float = Field(default=0.3, ge=0)
    """Shorter recordings are rejected."""
    max_duration_s: float = Field(default=7200.0, gt=0)
    """Longer recordings are rejected."""
    free_bytes_reserve: int = Field(default=268_435_456, ge=0)
    """Nothing is taken when less than this would stay free."""


class AccessSettings(_Section):
    """Who may use the API. Keys are made with `sovits-daemon keys create`."""

    require_key: bool = False
    """Ask programs on this machine for a key, too; others are asked as soon as there is a key."""
    allowed_hosts: str = ""
    """Host names that requests may carry, separated by commas, such as voice.example.org,*.lan; empty: any."""


class LimitSettings(_Section):
    """What callers of the API may use. 0 means no limit."""

    sentences_per_minute: int = Field(default=0, ge=0)
    """Sentences that one key, or one address without a key, may ask for in a minute."""
    quota_bytes: int = Field(default=0, ge=0)
    """All recordings together may take this much; uploads beyond it are refused."""


class AsrSettings(_Section):
    """Speech recognition with faster-whisper."""

    model: str = ""
    """A model directory or hub name; empty: the Whisper base of the `offline` extra."""
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    """auto takes a GPU that works."""
    compute_type: str = "int8"
    """As CTranslate2 names it: int8, float16, float32 …"""


class InferenceSettings(_Section):
    """Speaking."""

    idle_seconds: float = Field(default=300.0, ge=0)
    """The voice worker leaves after this long without a request."""
    max_text_characters: int = Field(default=5000, ge=1)
    """Longest text of one request."""
    timeout_s: float = Field(default=900.0, gt=0)
    """A sentence that takes longer fails."""
    warm_bytes: int = Field(default=4 * 2**30, ge=0)
    """Loaded voices stay loaded while they fit into this much memory (of the GPU, where there is one)."""
    verify_words: bool = False
    """Recognise each spoken piece, and speak it again when other words are heard; takes about twice as long."""
    keep_days: float = Field(default=0.0, ge=0)
    """Spoken sentences older than this are removed; 0 keeps them for ever."""


class LogSettings(_Section):
    """Logs."""

    level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """DEBUG, INFO, WARNING or ERROR."""
    file: Path | None = None
    """A file to log to as well, rotated."""
    max_bytes: int = Field(default=10_000_000, ge=10_000)
    """Size at which the file is rotated."""
    backups: int = Field(default=5, ge=1)
    """Rotated files kept."""
    keep_job_logs: int = Field(default=200, ge=1)
    """Logs of so many jobs are kept."""
    keep_events_days: float = Field(default=90.0, gt=0)
    """Older events are forgotten."""


class Settings(_Section):
    """All sections."""

    server: ServerSettings = ServerSettings()
    paths: PathSettings = PathSettings()
    models: ModelSettings = ModelSettings()
    gpu: GpuSettings = GpuSettings()
    training: TrainingSettings = TrainingSettings()
    inbox: InboxSettings = InboxSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    asr: AsrSettings = AsrSettings()
    inference: InferenceSettings = InferenceSettings()
    log: LogSettings = LogSettings()


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings and where each value came from."""

    settings: Settings
    origins: Mapping[tuple[str, str], str]
    """(section, key) → default, the file's path, the variable's name, or `command line`."""


def load_settings(
    config: Path | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read the settings from file, environment and command line.

    Args:
        config: the YAML file; None: the one named by SOVITS_CONFIG, if any.
        overrides: (section, key) → value from the command line.
        environment: variables to read; None: the process's own.

    Raises:
        SettingsError: a file that cannot be read, unknown keys or bad values; names all of them.
    """
    variables = os.environ if environment is None else environment
    path = config or (Path(variables[CONFIG_VARIABLE]) if variables.get(CONFIG_VARIABLE) else None)
    values: dict[str, dict[str, Any]] = {}
    origins = dict.fromkeys(_keys(), "default")
    if path is not None:
        for section, key, value in _from_file(path):
            values.setdefault(section, {})[key] = value
            origins[section, key] = str(path)
    for section, key, value, name in _from_environment(variables):
        values.setdefault(section, {})[key] = value
        origins[section, key] = name
    for (section, key), value in (overrides or {}).items():
        if value is not None:
            values.setdefault(section, {})[key] = value
            origins[section, key] = "command line"
    return LoadedSettings(_validated(values, origins), origins)


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as variables, so that child processes see the very same ones."""
    variables = {}
    for section, key in _keys():
        value = getattr(getattr(settings, section), key)
        variables[f"{ENVIRONMENT_PREFIX}{section.upper()}__{key.upper()}"] = "" if value is None else str(value)
    return variables


def _keys() -> Iterator[tuple[str, str]]:
    for section, field in Settings.model_fields.items():
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields:
            yield section, key


def _from_file(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not valid YAML: {error}") from error
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise SettingsError(f"the settings file {path} must hold sections such as `server:`, not a {kind}")
    for section, entries in document.items():
        if entries is None:
            continue
        if not isinstance(entries, dict):
            raise SettingsError(f"section {section!r} in {path} must hold keys and values")
        for key, value in entries.items():
            yield str(section), str(key), value


def _from_environment(variables: Mapping[str, str]) -> Iterator[tuple[str, str, Any, str]]:
    for name, value in variables.items():
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name:
            section, _, key = name[len(ENVIRONMENT_PREFIX) :].lower().partition("__")
            yield section, key, (value if value != "" else None), name


def _validated(values: dict[str, dict[str, Any]], origins: Mapping[tuple[str, str], str]) -> Settings:
    known = set(_keys())
    for section, entries in values.items():
        for key in [k for k, v in entries.items() if v is None and (section, k) in known]:
            del entries[key]
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [_problem(each["type"], each["loc"], each["msg"], origins) for each in error.errors()]
        raise SettingsError("the settings are wrong: " + "; ".join(problems)) from error


def _problem(kind: str, where: tuple[int | str, ...], said: str, origins: Mapping[tuple[str, str], str]) -> str:
    """Return one thing that is wrong, where it stands and, for an unknown name, what was perhaps meant."""
    names = [str(part) for part in where]
    origin = next((source for place, source in origins.items() if list(place)[: len(names)] == names[:2]), "")
    source = f" (from {origin})" if origin else ""
    if kind != "extra_forbidden":
        return f"{'.'.join(names)}: {said[:1].lower()}{said[1:]}{source}"
    is_section = len(names) == 1
    known = list(dict.fromkeys(s if is_section else k for s, k in _keys() if is_section or s == names[0]))
    close = get_close_matches(names[-1], known, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"unknown {'section' if is_section else 'key'} {'.'.join(names)}{source}, {remedy}"
