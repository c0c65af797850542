"""Child processes: started so that they die with the daemon, and ended together with everything they started.

Every child carries an environment marker that names the work directory. Whoever holds the lock of that directory may
therefore end any process with the marker, without trusting process numbers that the kernel gives out again.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from daemon import launcher
from daemon.settings import CHECKOUT

logger = logging.getLogger(__name__)

MARKER = "SOVITS_CHILD_OF"
KILL_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class ProgramSpec:
    """A program to start. `oom_score` makes the kernel take memory from workers first, not from daemon or API."""

    command: Sequence[str]
    work_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    oom_score: int = 0
    pass_fds: Sequence[int] = ()
    piped: bool = True
    """Whether standard streams are pipes to the daemon; else they are inherited, but for an empty input."""


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs one of this project's modules, safe against modules in the present folder."""
    return (sys.executable, "-P", "-m", module, *arguments)


def spawn(spec: ProgramSpec) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own that dies with the calling *thread*: call it from a permanent one.

    Raises:
        OSError: it cannot be started.
    """
    first = (sys.executable, "-I", "-S", str(Path(launcher.__file__)), str(os.getpid()), str(spec.oom_score))
    return subprocess.Popen(
        [*first, *spec.command],
        stdin=subprocess.PIPE if spec.piped else subprocess.DEVNULL,
        stdout=subprocess.PIPE if spec.piped else None,
        stderr=subprocess.PIPE if spec.piped else None,
        env=_environment(spec),
        pass_fds=spec.pass_fds,
        start_new_session=True,
        bufsize=0,
    )


def start_time(pid: int) -> float | None:
    """Return when a process began, in seconds since the epoch, or None if it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def members(session_id: int) -> list[psutil.Process]:
    """Return the living processes of a session and all their descendants."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.pid in found or os.getsid(process.pid) != session_id or not _alive(process):
                continue
            for each in (process, *process.children(recursive=True)):
                if _alive(each):
                    found[each.pid] = each
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue
    return list(found.values())


def end(process: subprocess.Popen[bytes], grace_s: float, drain: Callable[[], None] | None = None) -> None:
    """Ask a child's whole group to end, kill what is left after the grace time, and return when all is gone.

    Args:
        process: a child from `spawn`.
        grace_s: seconds between SIGTERM and SIGKILL.
        drain: called while waiting, to keep the child's pipes from filling.
    """
    family = members(process.pid)
    if process.poll() is None:
        _signal(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < deadline:
            if drain is not None:
                drain()
            time.sleep(0.05)
    others = {each.pid: each for each in (*family, *members(process.pid)) if each.pid != process.pid}
    _kill_child(process)
    kill_all(others.values())


def _kill_child(process: subprocess.Popen[bytes]) -> None:
    """Kill our own child; only Popen may wait for it, else its exit code is lost."""
    while process.poll() is None:
        process.kill()
        try:
            process.wait(KILL_PATIENCE_S)
        except subprocess.TimeoutExpired:
            logger.error("process %d does not die, perhaps it waits for a device", process.pid)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and return when they are gone, however long the kernel takes; psutil never hits a reused pid."""
    left = [process for process in processes if _alive(process)]
    while left:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                logger.error("process %d of ours may not be ended", process.pid)
                return
        _, alive = psutil.wait_procs(left, timeout=KILL_PATIENCE_S)
        left = [process for process in alive if _alive(process)]
        if left:
            logger.error("processes %s do not die, perhaps they wait for a device", [each.pid for each in left])


def kill_orphans(work_dir: Path) -> int:
    """End all processes that an earlier daemon of this work directory left; the caller holds its lock.

    Returns:
        How many there were.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    orphans = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARKER) == str(work_dir) and _alive(process):
                orphans.append(process)
        except (psutil.Error, OSError):
            continue
    for orphan in orphans:
        logger.warning("ending process %d that an earlier daemon left", orphan.pid)
    kill_all(orphans)
    return len(orphans)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _environment(spec: ProgramSpec) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    paths = [str(CHECKOUT), *filter(None, [inherited.get("PYTHONPATH")])]
    ours = {MARKER: str(spec.work_dir), "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    return {**inherited, **ours, **spec.environment}
