"""Which model family `auto` stands for on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.character_config import AUTO, resolved_family
from daemon.hardware import has_gpu
from daemon.settings import GpuSettings, Settings, load_settings
from GPT_SoVITS.base_files import files_of
from GPT_SoVITS.families import FamilyName


def _settings(models: Path, device: str) -> Settings:
    overrides = {("paths", "models_dir"): models, ("gpu", "device"): device}
    return load_settings(environment={}, overrides=overrides).settings


def _install(models: Path, name: FamilyName) -> None:
    for file in files_of(name):
        (models / file.path).parent.mkdir(parents=True, exist_ok=True)
        (models / file.path).touch()


def test_auto_is_the_largest_family_with_a_gpu_and_its_base_and_nano_without_either(tmp_path: Path) -> None:
    assert resolved_family(AUTO, _settings(tmp_path, "cuda")) == FamilyName.NANO
    _install(tmp_path, FamilyName.V2_PRO)
    assert resolved_family(AUTO, _settings(tmp_path, "cuda")) == FamilyName.NANO
    _install(tmp_path, FamilyName.V2_PRO_PLUS)
    assert resolved_family(AUTO, _settings(tmp_path, "cuda")) == FamilyName.V2_PRO_PLUS
    assert resolved_family(AUTO, _settings(tmp_path, "cpu")) == FamilyName.NANO


@pytest.mark.parametrize("name", list(FamilyName))
def test_a_family_that_somebody_chose_stays(name: FamilyName, tmp_path: Path) -> None:
    assert resolved_family(name, _settings(tmp_path, "cuda")) == name


def test_a_card_is_known_by_its_device_file(tmp_path: Path) -> None:
    assert not has_gpu(GpuSettings(device="auto"), tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert not has_gpu(GpuSettings(device="auto"), tmp_path)
    (tmp_path / "nvidia0").touch()
    assert has_gpu(GpuSettings(device="auto"), tmp_path)
    assert not has_gpu(GpuSettings(device="cpu"), tmp_path)
