"""Where the golden data is, and how its weights are made."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

_DEFAULT = Path(__file__).resolve().parents[2] / ".." / "shared" / "golden"


def golden_file(name: str) -> Path:
    """Return the path of a golden file; skip the test where the golden data is absent (GOLDEN_DIR says where)."""
    folder = Path(os.environ.get("GOLDEN_DIR", _DEFAULT))
    path = folder / name
    if not path.exists():
        pytest.skip(f"golden data is not here: set GOLDEN_DIR to the folder that holds {name}")
    return path


def filled_state(manifest_name: str, prefix: str = "") -> dict[str, Tensor]:
    """Return the weights of a manifest ("s1_v2"), names without `prefix`, in the manifest's order."""
    manifest = json.loads(golden_file(f"manifests/{manifest_name}.json").read_text(encoding="utf-8"))
    fill = _fill_module()
    return {name.removeprefix(prefix): torch.from_numpy(array) for name, array in fill.fill_state(manifest).items()}


def _fill_module() -> Any:
    specification = importlib.util.spec_from_file_location("golden_fill", golden_file("fill.py"))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Compare as the golden README demands: by a share of the standard deviation of what is expected."""
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() <= tolerance * expected.std()
