"""Loaded voices, kept while their networks fit into a budget of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from GPT_SoVITS.families import family
from GPT_SoVITS.inference import Voice, base_voice, load_voice
from GPT_SoVITS.least_recent import LeastRecentlyUsed
from pipeline.protocol import SpeakRequest

logger = logging.getLogger(__name__)

DEFAULT_BYTES = 4 * 2**30

_Key = tuple[str, ...]


class WarmVoices:
    """Loaded voices; the least recently used goes first. `loaded` counts the loadings."""

    def __init__(self, budget_bytes: int = DEFAULT_BYTES) -> None:
        """Take the memory that networks may fill, on whichever device they are; the newest voice always stays."""
        self.loaded = 0
        self._voices: LeastRecentlyUsed[_Key, Voice] = LeastRecentlyUsed(budget_bytes, lambda voice: voice.bytes)

    def get(self, request: SpeakRequest) -> Voice:
        """Return the voice of a request, loaded if it is not warm.

        Raises:
            EngineError: it cannot be loaded.
            OSError: a file is gone.
        """
        device, models_dir = request.device, request.models_dir
        place: _Key = (device, models_dir, request.family, request.sovits_path, request.gpt_path)
        if not request.sovits_path:
            chosen = family(request.family)
            return self._get(place, (), lambda: base_voice(chosen, models_dir=models_dir, device=device))
        sovits, gpt = Path(request.sovits_path), Path(request.gpt_path)
        version = (str(sovits.stat().st_mtime_ns), str(gpt.stat().st_mtime_ns))
        return self._get(place, version, lambda: load_voice(sovits, gpt, models_dir=models_dir, device=device))

    def _get(self, place: _Key, version: _Key, load: Callable[[], Voice]) -> Voice:
        key = (*place, *version)
        self._voices.discard(lambda other: other[: len(place)] == place and other != key)

        def make() -> Voice:
            self.loaded += 1
            voice = load()
            logger.info("loaded a voice of %s, %.0f MB", voice.family.name, voice.bytes / 1e6)
            return voice

        return self._voices.get(key, make)
