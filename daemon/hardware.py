"""What kind of machine this is, told without loading any library of a graphics card."""

from __future__ import annotations

from pathlib import Path

from daemon.settings import GpuSettings

_DEVICES = Path("/dev")


def has_gpu(settings: GpuSettings, devices: Path = _DEVICES) -> bool:
    """Return whether a GPU that torch can use is there and wanted; gpu.device may insist on one or refuse it."""
    if settings.device != "auto":
        return settings.device == "cuda"
    return any(devices.glob("nvidia[0-9]*"))
