"""A job worker that speaks the real protocol and ends in a chosen way, for tests of the daemon.

Usage: stand_in_worker.py RUNS BEHAVIOUR[,BEHAVIOUR...]
The n-th start behaves in the n-th way, later ones in the last. RUNS gets one line a start: its process, and that of a
child if it has one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.plan import Inputs, index, plan_step
from pipeline.protocol import (
    NOT_PROCESSED,
    ArtifactRecord,
    JobSpec,
    Message,
    MessageType,
    OutputFile,
    decode_job,
    encode,
)
from pipeline.steps import JobKind, StepName, steps_of


def say(kind: MessageType, /, **data: object) -> None:
    sys.stdout.write(encode(Message(kind, data)) + "\n")
    sys.stdout.flush()


def artifact(number: int) -> None:
    made = OutputFile(f"converted_audio/片段 {number}.wav", 10, 1, f"{number:064x}")
    record = ArtifactRecord(StepName.CONVERT_AUDIO, f"片段 {number}.wav", f"{number:x}", f"{number:x}", (made,))
    say(MessageType.ARTIFACT, artifact=record)


def walk_the_plan(job: JobSpec) -> None:
    """Report every stale item of the job as made."""
    artifacts = index(job.artifacts)
    for step in steps_of(job.kind, job.config):
        edits = {edit.clip: edit for edit in job.edits}
        inputs = Inputs(job.config, job.recordings, edits, artifacts, job.readings)
        for item in plan_step(step.name, inputs).stale:
            record = ArtifactRecord(step.name, item.name, item.input_hash, item.input_hash)
            artifacts[(step.name, item.name)] = record
            say(MessageType.ARTIFACT, artifact=record)


def done(job: JobSpec, voice: str = "a") -> None:
    artifact(1)
    walk_the_plan(job)
    say(MessageType.PROGRESS, step="convert_audio", done=1, total=2, note="")
    say(MessageType.STEP_FINISHED, step="convert_audio", items_in=1, items_out=1, redone=1, fresh=0, dropped=[])
    if job.kind is JobKind.TRAIN:
        paths = {"sovits_path": f"models/{voice}.pth", "gpt_path": f"models/{voice}.ckpt"}
        say(MessageType.VOICE, family="nano", input_hash=voice, trained_from="random weights", metrics={}, **paths)
    say(MessageType.DONE)


def hang(runs: Path) -> None:
    """Ignore SIGTERM, together with a child in a session of its own."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleeper = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True)
    note(runs, f"{os.getpid()} {child.pid}")
    time.sleep(600)


def note(runs: Path, line: str) -> None:
    with runs.open("a") as stream:
        stream.write(line + "\n")


def behave(behaviour: str, job: JobSpec, runs: Path) -> int:
    if behaviour == "hang":
        hang(runs)
    note(runs, str(os.getpid()))
    match behaviour:
        case "permanent":
            say(MessageType.ERROR, code="training_data", message="no clip is left to train on", kind="permanent")
            return 10
        case "not_processed":
            sentence = "train_sovits cannot start: process the audio first"
            say(MessageType.ERROR, code=NOT_PROCESSED, message=sentence, kind="permanent")
            return 10
        case "resource":
            say(MessageType.ERROR, code="disk_full", message="the disk is full; free some space", kind="resource")
            return 11
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            os.write(2, "Fatal: 内存 went wrong\n".encode())
            os.kill(os.getpid(), signal.SIGSEGV)
        case "progress_then_kill":
            artifact(len(runs.read_text().splitlines()))
            os.kill(os.getpid(), signal.SIGKILL)
        case "incomplete":
            return 0
        case "patient":
            signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
            artifact(1)
            time.sleep(600)
        case "silent":
            time.sleep(600)
        case "long_line":
            os.write(2, b"a line without an end follows\n")
            block = b"x" * (1 << 20)
            for _ in range(20):
                view = memoryview(block)
                while view:
                    view = view[os.write(1, view) :]
            time.sleep(600)
        case "chatty":
            stray = ("a stray print", "[]", "17", '{"type": "artifact", "data": {}}', '{"type": "voice", "data": {}}')
            sys.stdout.write("\n".join(stray) + "\n")
            os.write(2, b"progress 1 %\rprogress 2 %\r")
            done(job)
        case "late_exit":
            done(job)
            time.sleep(1)
        case "stuck_exit":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            done(job)
            time.sleep(600)
        case _:
            done(job, behaviour.removeprefix("done"))
    return 0


def main() -> int:
    runs, behaviours = Path(sys.argv[1]), sys.argv[2].split(",")
    job = decode_job(sys.stdin.readline())
    say(MessageType.STARTED, pid=os.getpid(), device="cpu")
    number = len(runs.read_text().splitlines()) if runs.exists() else 0
    return behave(behaviours[min(number, len(behaviours) - 1)], job, runs)


if __name__ == "__main__":
    sys.exit(main())
