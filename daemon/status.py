"""What is going on, for people and as plain data."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, func, select

from daemon import lock, queue, staleness, versions
from daemon.evaluation import headline
from daemon.tables import AudioFile, Character, ServiceState
from daemon.world import World


def gather(world: World) -> dict[str, Any]:
    """Return the state of the service, its characters and its active jobs as plain values."""
    with world.database.read() as session:
        states = {state.key: state.value for state in session.exec(select(ServiceState)).all()}
        characters = session.exec(select(Character).order_by(col(Character.name))).all()
        found = [_character(session, world, character) for character in characters]
    running = lock.is_held(world.layout.lock)
    return {
        "running": running,
        "pid": states.get("daemon", {}).get("pid") if running else None,
        "url": states.get("api", {}).get("url") if running else None,
        "health": states.get("daemon", {}).get("health", {}) if running else {},
        "inbox": states.get("daemon", {}).get("inbox", {}),
        "work_dir": str(world.layout.work_dir),
        "inbox_dir": str(world.layout.inbox_dir),
        "characters": found,
    }


def jobs(world: World, limit: int) -> list[dict[str, Any]]:
    """Return the newest jobs as plain values."""
    with world.database.read() as session:
        return [
            {"character": name, **job.model_dump(exclude={"character_id", "pid_started"})}
            for job, name in queue.listing(session, queue.Wanted(), limit)
        ]


def as_text(found: dict[str, Any]) -> str:
    """Return the state as lines for people."""
    lines = [
        f"service    {'running at ' + str(found['url'] or 'no address') if found['running'] else 'not running'}",
        f"inbox      {found['inbox_dir']}",
        f"work_dir   {found['work_dir']}",
    ]
    ill = [name for name, well in found["health"].items() if not well]
    if ill:
        lines.append(f"unhealthy  {', '.join(ill)}")
    for each in found["characters"]:
        default = " (default)" if each["is_default"] else ""
        lines.append(f"\n{each['name']}{default}: {each['recordings']} recordings, {each['language']}, {each['voice']}")
        if each["judged"]:
            lines.append(f"  voice     {each['judged']}")
        for word in ("audio", "training"):
            state = each[word]
            step = f", {state['step']}" if state["step"] else ""
            error = f": {state['error']}" if state["error"] else ""
            lines.append(f"  {word:<9} {state['status']} {state['progress']:.0f} %{step}{error}")
    if not found["characters"]:
        lines.append("\nno characters yet: put recordings into a folder of their name in the inbox")
    for key, value in found["inbox"].items():
        if value and isinstance(value, list | dict):
            lines.append(f"inbox {key}: {len(value)}")
    return "\n".join(lines)


def _character(session: Session, world: World, character: Character) -> dict[str, Any]:
    count = select(func.count()).select_from(AudioFile).where(AudioFile.character_id == character.id)
    voice = versions.active(session, character)
    return {
        "name": character.name,
        "is_default": character.is_default,
        "language": character.config.get("language"),
        "recordings": session.exec(count).one(),
        "voice": f"voice trained from {voice.trained_from}" if voice else "no voice yet",
        "evaluation": voice.metrics.get("evaluation") if voice else None,
        "judged": headline(voice.metrics) if voice else "",
        "audio": _state(staleness.audio_state(session, world.settings, character)),
        "training": _state(staleness.training_state(session, world.settings, character)),
    }


def _state(state: staleness.JobState) -> dict[str, Any]:
    return {
        "status": str(state.status),
        "progress": state.progress,
        "step": state.current_step,
        "error": state.error_message,
    }
