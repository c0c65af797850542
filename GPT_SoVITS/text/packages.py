"""Data files of installed packages, read without importing the packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from GPT_SoVITS.errors import ModelMissingError


def package_file(package: str, name: str) -> Path:
    """Return the path of a data file of an installed package.

    Raises:
        ModelMissingError: the package or the file is not installed.
    """
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / name).is_file():
            return path
    raise ModelMissingError(f"the package {package} or its file {name} is missing; install {package} again")
