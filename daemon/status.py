"""What is going on, for people and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlmodel import Session, col, func, select

from daemon import lock, queue, staleness, versions
from daemon.evaluation import headline
from daemon.tables import AudioFile, Character, ServiceState, Status
from daemon.world import World
from pipeline.steps import JobKind

SHOWN = 10
"""Files of the inbox that are named of each kind; `--json` has them all."""
INBOX_WORDS = {
    "settling": "not complete yet",
    "held": "waiting",
    "unreadable": "cannot be read",
    "rejected": "rejected (in .rejected/)",
    "orphan_sidecars": "texts without a recording",
    "left_alone": "left alone",
    "illegal_folders": "folders whose name cannot be a character's",
    "unusable_recordings": "recordings that cannot be used",
    "unreadable_lists": "lists of transcripts that cannot be read",
}


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
            stale = ", ".join(f"{name} {count}" for name, count in state["stale"].items())
            redo = f", to be redone: {stale}" if stale else ""
            lines.append(f"  {word:<9} {state['status']} {state['progress']:.0f} %{step}{error}{redo}")
    if not found["characters"]:
        lines.append("\nno characters yet: put recordings into a folder of their name in the inbox")
    for key, words in INBOX_WORDS.items():
        lines.extend(_named(words, found["inbox"].get(key) or {}))
    return "\n".join(lines)


def _named(words: str, files: Mapping[str, str]) -> Iterator[str]:
    if files:
        yield f"\ninbox: {len(files)} {words}"
    for path, reason in list(files.items())[:SHOWN]:
        yield f"  {_printable(path)}: {_printable(reason)}"
    if len(files) > SHOWN:
        yield f"  and {len(files) - SHOWN} more (--json names them)"


def _printable(text: str) -> str:
    """Return a text that cannot move the cursor or end the line: names of files may hold anything."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


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
        "audio": _state(session, world, character, JobKind.PROCESS),
        "training": _state(session, world, character, JobKind.TRAIN),
    }


def _state(session: Session, world: World, character: Character, kind: JobKind) -> dict[str, Any]:
    look = staleness.audio_state if kind is JobKind.PROCESS else staleness.training_state
    state = look(session, world.settings, character)
    steps = staleness.explain(session, world.settings, character, kind) if state.status is Status.OUTDATED else ()
    return {
        "status": str(state.status),
        "progress": state.progress,
        "step": state.current_step,
        "error": state.error_message,
        "stale": {str(step.step): len(step.stale) for step in steps if step.stale},
    }
