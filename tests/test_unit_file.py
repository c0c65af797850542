"""The systemd unit is well-formed and hardened."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
MOST_EXPOSURE = 2.0

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    text = (SYSTEMD / "sovits-daemon.service").read_text(encoding="utf-8")
    path = tmp_path / "sovits-daemon.service"
    path.write_text(text.replace("@PREFIX@/venv/bin/sovits-daemon", "/bin/true"), encoding="utf-8")
    return path


@needs_systemd_analyze
def test_the_unit_is_well_formed(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "sovits-daemon.service" not in done.stderr, done.stderr


@needs_systemd_analyze
def test_the_unit_is_hardened(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSURE


def test_the_unit_says_what_the_service_needs(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    for line in ("Type=notify", "KillMode=mixed", "OOMPolicy=continue", "Restart=on-failure"):
        assert re.search(f"^{line}$", text, re.MULTILINE), line
    for breaks_cuda in ("PrivateDevices=yes", "MemoryDenyWriteExecute=yes"):
        assert breaks_cuda not in text
    assert re.search(r"^WatchdogSec=\d+", text, re.MULTILINE)
