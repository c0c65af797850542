"""The documents are true: every command, setting section and route is in the README, in both languages."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from daemon.cli import COMMANDS
from daemon.settings import Settings

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_in_the_readme(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"sovits-daemon {command}" in text or f"`{command}`" in text, command


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_in_the_readme_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8")):
        assert re.search(f"^{target}:", makefile, re.MULTILINE), target


def test_every_setting_is_described() -> None:
    for section, field in Settings.model_fields.items():
        assert field.annotation is not None
        for key, each in field.annotation.model_fields.items():
            assert each.description, f"{section}.{key}"


def test_the_lock_names_no_address_and_pins_everything_with_hashes() -> None:
    for name in ("requirements.lock", "requirements-bootstrap.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, re.MULTILINE)
        blocks = re.split(r"^(?=[a-z0-9][a-z0-9._-]*==)", text, flags=re.MULTILINE)[1:]
        assert len(pins) == len(blocks)
        assert all("--hash=sha256:" in block for block in blocks)


def test_torch_and_torchaudio_are_pinned_as_a_pair() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"torch==2.11.0", "torchaudio==2.11.0"} <= set(project["dependencies"])
    assert set(project["optional-dependencies"]) == {"offline", "dev"}


def test_what_a_run_leaves_is_not_tracked() -> None:
    found = subprocess.run(["git", "ls-files", "inbox", "work_dir"], capture_output=True, text=True, cwd=ROOT)
    if found.returncode:
        pytest.skip("this is not a git checkout")
    assert found.stdout.split() == ["inbox/.gitkeep", "work_dir/.gitkeep"]


def test_every_library_of_the_text_front_end_is_listed_with_its_licence() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition("# text front-end")[2].partition("#")[0]
    libraries = [_letters(name) for name in re.findall(r'"([A-Za-z0-9_-]+)[=>]', section)]
    assert len(libraries) > 10
    listed = _letters((ROOT / "docs" / "licences.md").read_text(encoding="utf-8"))
    assert [library for library in libraries if library not in listed] == []


def _letters(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())
