"""What the end of a job worker means (exit codes: see pipeline.worker)."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum

from daemon.queue import Verdict
from daemon.tables import Status

CANCELLED = 3
PERMANENT = 10
RESOURCE = 11
QUOTED_CHARACTERS = 300


class Action(StrEnum):
    """What happens to the job."""

    FINISH = "finish"
    RETRY = "retry"
    """Counts as an attempt."""
    WAIT = "wait"
    """A resource is lacking: later, without counting."""
    REQUEUE = "requeue"
    """The service stops: at the next start, without counting."""


class Asked(StrEnum):
    """Why the daemon ended the worker, if it did."""

    CANCEL = "cancel"
    STOP = "stop"
    STALLED = "stalled"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything known about how a worker ended."""

    code: int
    """Exit code; negative: the signal that ended it."""
    done: bool = False
    """Whether it reported the job as complete."""
    asked: Asked | None = None
    error_code: str | None = None
    error_sentence: str | None = None
    error_kind: str | None = None
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with the job."""

    action: Action
    verdict: Verdict


def decide(ending: Ending) -> Decision:
    """Return what an ending means for the job.

    A job that was reported complete is complete, even when a cancel came late or the worker stumbled on its way out
    (libraries of graphics cards do that).
    """
    if ending.done:
        return Decision(Action.FINISH, Verdict(Status.COMPLETED))
    if ending.asked is Asked.CANCEL:
        return Decision(Action.FINISH, Verdict(Status.CANCELLED))
    if ending.asked is Asked.STOP or (ending.asked is None and ending.code == CANCELLED):
        return Decision(Action.REQUEUE, Verdict(Status.PENDING, "stopped", "the service was stopped"))
    if ending.code == PERMANENT or ending.error_kind == "permanent":
        sentence = ending.error_sentence or _quoted("the worker gave up without saying why", ending)
        return Decision(Action.FINISH, Verdict(Status.FAILED, ending.error_code or "failed", sentence))
    if ending.code == RESOURCE or ending.error_kind == "resource":
        sentence = ending.error_sentence or "the disk or the memory is full; the job is tried again later"
        return Decision(Action.WAIT, Verdict(Status.PENDING, ending.error_code or "resource", sentence))
    return Decision(Action.RETRY, _crash(ending))


def _crash(ending: Ending) -> Verdict:
    if ending.error_sentence is not None:
        return Verdict(Status.FAILED, ending.error_code or "failed", ending.error_sentence)
    if ending.asked is Asked.STALLED:
        return Verdict(Status.FAILED, "stalled", "the worker gave no sign of life and was ended")
    if ending.asked is Asked.PROTOCOL:
        return Verdict(Status.FAILED, "protocol", "the worker sent a line that is too long and was ended")
    if ending.code == -signal.SIGKILL:
        return Verdict(Status.FAILED, "killed", "the worker was killed, perhaps because the memory was full")
    if ending.code < 0:
        name = signal.Signals(-ending.code).name if -ending.code in set(signal.Signals) else str(-ending.code)
        return Verdict(Status.FAILED, "native_crash", _quoted(f"the worker crashed with {name}", ending))
    if ending.code == 0:
        return Verdict(Status.FAILED, "incomplete", _quoted("the worker ended before the job was complete", ending))
    return Verdict(Status.FAILED, "crash", _quoted(f"the worker ended with code {ending.code}", ending))


def _quoted(sentence: str, ending: Ending) -> str:
    lines = [line.strip() for line in ending.last_lines if line.strip()]
    return f"{sentence}; its last words: {lines[-1][:QUOTED_CHARACTERS]}" if lines else sentence
