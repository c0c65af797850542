"""Speaking before a voice is trained: the base of the character's family imitates a reference."""

from __future__ import annotations

from sqlmodel import Session

from daemon import references
from daemon.character_config import job_config
from daemon.errors import ConflictError
from daemon.layout import Layout
from daemon.settings import Settings
from daemon.tables import Character
from GPT_SoVITS.base_files import has_base
from GPT_SoVITS.families import family


def can_imitate(
    session: Session, settings: Settings, layout: Layout, character: Character, ref_audio: str | None
) -> bool:
    """Return whether a character without a voice can speak: a base is there, and a recording to imitate."""
    config = job_config(character.config, settings)
    if not has_base(family(config.family), config.models_dir):
        return False
    if ref_audio is not None:
        return True
    try:
        references.best(session, layout, character)
    except ConflictError:
        return False
    return True
