"""The arrows between the rooms point one way, and the daemon stays small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("GPT_SoVITS", "pipeline", "daemon", "api")
ALLOWED = {
    "GPT_SoVITS": {"GPT_SoVITS"},
    "pipeline": {"pipeline", "GPT_SoVITS"},
    "daemon": {"daemon", "pipeline", "GPT_SoVITS"},
    "api": {"api", "daemon"},
}
DESCRIPTIONS = {
    "pipeline.steps",
    "pipeline.plan",
    "pipeline.protocol",
    "pipeline.listfile",
    "pipeline.sound_formats",
    "pipeline.evaluation_request",
    "GPT_SoVITS.base_files",
    "GPT_SoVITS.base_release",
    "GPT_SoVITS.durable",
    "GPT_SoVITS.errors",
    "GPT_SoVITS.families",
    "GPT_SoVITS.text.dictionary",
    "GPT_SoVITS.text.languages",
    "GPT_SoVITS.whisper_files",
}
HEAVY = ("torch", "torchaudio", "transformers", "faster_whisper", "ctranslate2", "numpy", "scipy", "av", "soundfile")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in ROOMS:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        for module in _imports(path):
            top = module.split(".")[0]
            if top in ROOMS:
                assert top in ALLOWED[room], f"{path.relative_to(ROOT)} imports {module}"


def test_the_daemon_knows_only_descriptions_of_the_steps() -> None:
    for path in (ROOT / "daemon").rglob("*.py"):
        for module in _imports(path):
            if module.split(".")[0] in ("pipeline", "GPT_SoVITS"):
                assert module in DESCRIPTIONS, f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("module", ["daemon.service", "daemon.parts", "daemon.cli", "api.app"])
def test_importing_a_light_room_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_no_module_is_longer_than_500_lines() -> None:
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, path.relative_to(ROOT)
