"""What every part of the daemon works on."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.database import Database
from daemon.layout import Layout
from daemon.settings import Settings


@dataclass(frozen=True, slots=True)
class World:
    """The database, the settings and the folders of one installation."""

    database: Database
    settings: Settings
    layout: Layout
