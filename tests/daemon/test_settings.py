"""Settings: file, environment, command line; every value has an origin, and every problem is told at once."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import SettingsError
from daemon.settings import Settings, as_environment, load_settings


def _file(folder: Path, text: str) -> Path:
    path = folder / "配置.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_all_values_are_defaults() -> None:
    loaded = load_settings(None, {}, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path) -> None:
    path = _file(tmp_path, "server: {host: 1.1.1.1, port: 1, workers: 2}\n")
    environment = {"SOVITS_SERVER__HOST": "2.2.2.2", "SOVITS_SERVER__PORT": "2"}
    loaded = load_settings(path, {("server", "port"): 3, ("server", "reload"): None}, environment)
    server = loaded.settings.server
    assert (server.workers, server.host, server.port, server.reload) == (2, "2.2.2.2", 3, False)
    origins = {key: loaded.origins["server", key] for key in ("workers", "host", "port", "reload")}
    assert origins == {
        "workers": str(path), "host": "SOVITS_SERVER__HOST", "port": "command line", "reload": "default",
    }  # fmt: skip


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    path = _file(tmp_path, "training:\n  epochs_s1: 7\n")
    assert load_settings(None, {}, {"SOVITS_CONFIG": str(path)}).settings.training.epochs_s1 == 7


def test_an_empty_variable_means_the_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "log: {file: a.log}\nserver:\n")
    assert load_settings(path, {}, {"SOVITS_LOG__FILE": ""}).settings.log.file is None


def test_all_problems_are_told_at_once_with_their_origin(tmp_path: Path) -> None:
    path = _file(tmp_path, "server: {prot: 9000, port: many}\ninbocks: {mode: move}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {}, {"SOVITS_TRAINING__EPOCHS_S1": "0"})
    told = str(caught.value)
    assert f"unknown key server.prot (from {path}), did you mean port?" in told
    assert f"unknown section inbocks (from {path}), did you mean inbox?" in told
    assert "server.port: input should be a valid integer" in told
    assert "training.epochs_s1: input should be greater than or equal to 1 (from SOVITS_TRAINING__EPOCHS_S1)" in told


@pytest.mark.parametrize(
    ("text", "words"),
    [("- 1", "sections such as"), ("server: 5", "must hold keys and values"), ("a: [", "not valid YAML")],
)
def test_a_file_that_is_no_settings_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings(_file(tmp_path, text), {}, {})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match="/nowhere/config.yaml cannot be read"):
        load_settings(Path("/nowhere/config.yaml"), {}, {})


words = st.text(string.ascii_letters + "角色 ", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(
    port=st.integers(0, 65535),
    flag=st.booleans(),
    seconds=st.floats(0.0, 1e6),
    folder=words,
    model=words | st.just(""),
)
def test_child_processes_see_the_very_same_settings(
    port: int, flag: bool, seconds: float, folder: str, model: str
) -> None:
    overrides = {
        ("server", "port"): port,
        ("training", "auto_train"): flag,
        ("inbox", "quiet_seconds"): seconds,
        ("paths", "work_dir"): Path("/", folder),
        ("asr", "model"): model,
        ("inbox", "watch"): "polling",
    }
    settings = load_settings(None, overrides, {}).settings
    assert load_settings(None, {}, as_environment(settings)).settings == settings
