"""Child processes of the job worker: a step's shards, or the processes that train one model together.

`python -m pipeline.children` reads one `ChildSpec` from standard input, runs that step for the items it is given and
says what it has to say in the words of `pipeline.protocol`. Whatever ends one of them ends all.
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.text.dictionary import Reading
from pipeline.context import Cancelled, Dropped, StepContext
from pipeline.plan import Feed, Inputs, Item, StepPlan
from pipeline.protocol import ArtifactRecord, Message, MessageType, artifact_from, decode_message, encode
from pipeline.steps import CHARACTER_ITEM, STEP_BY_NAME, JobConfig, StepName
from pipeline.worker import CANCELLED, DONE, guarded, open_channel

logger = logging.getLogger(__name__)

TURN_S = 0.2
LEAVING_S = 60.0
"""So long may a child take to write a last checkpoint; the daemon is less patient with the whole job."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What one child has to do."""

    step: StepName
    character: str
    root: str
    scratch: str
    config: JobConfig
    items: tuple[Item, ...]
    readings: tuple[Reading, ...] = ()
    voice: tuple[ArtifactRecord, ...] = ()
    """What earlier steps made of the whole character."""
    rank: int = 0
    count: int = 1
    rendezvous: str = ""
    """Where children that train together meet; empty for shards, which know nothing of each other."""


def child_specs(context: StepContext, count: int) -> list[ChildSpec]:
    """Return specs for so many children of a step, all with all stale items."""
    inputs = context.inputs
    spec = ChildSpec(
        context.plan.step.name,
        context.character,
        str(context.root),
        str(context.scratch),
        inputs.config,
        context.plan.stale,
        tuple(inputs.readings),
        tuple(record for (_, item), record in inputs.artifacts.items() if item == CHARACTER_ITEM),
        count=count,
    )
    return [replace(spec, rank=rank) for rank in range(count)]


def run_children(context: StepContext, specs: Sequence[ChildSpec], threads: int) -> None:
    """Run children to their end and report what they make as the step's own.

    Args:
        context: the step's.
        specs: one for each child.
        threads: cores that each of them uses.

    Raises:
        Cancelled: the job was asked to stop; the children have stopped.
        EngineError: a child refuses.
        OSError: a child ended unexpectedly, or reading or writing failed in it.
        MemoryError: the memory was too small for a child.
    """
    with _Children(context, specs, threads) as children:
        children.watch()


class _Children:
    """Children that live as long as this is open."""

    def __init__(self, context: StepContext, specs: Sequence[ChildSpec], threads: int) -> None:
        self._context, self._specs, self._threads = context, specs, threads
        self._lines: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str]] = []
        self._done = [0] * len(specs)
        self._open = 0

    def __enter__(self) -> _Children:
        """Start all children."""
        try:
            for spec in self._specs:
                self._start(spec)
        except BaseException:
            self._end(0.0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End those that still run; what they finished until then is kept.

        Only a cancelled training is given the time for a last checkpoint: beside a dead process it cannot write one.
        """
        self._end(LEAVING_S if kind is Cancelled else 0.0)

    def _start(self, spec: ChildSpec) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self._threads), "GLOO_SOCKET_IFNAME": "lo"}
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.children"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        self._processes.append(process)
        self._open += 1
        threading.Thread(target=self._read, args=(len(self._processes) - 1, process), daemon=True).start()
        assert process.stdin is not None
        try:
            process.stdin.write(encode(spec) + "\n")
            process.stdin.close()
        except BrokenPipeError:
            logger.warning("child %d of %d ended before it began", spec.rank + 1, spec.count)

    def _read(self, index: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            for line in stream:
                self._lines.put((index, line))
        self._lines.put((index, None))

    def watch(self) -> None:
        """Take what the children say until all are done."""
        while self._open:
            self._context.check()
            for index, message in self._heard(TURN_S):
                self._take(index, message)

    def _heard(self, patience_s: float) -> Iterator[tuple[int, Message]]:
        try:
            index, line = self._lines.get(timeout=patience_s)
        except queue.Empty:
            return
        if line is not None:
            yield index, decode_message(line)
            return
        self._open -= 1
        code = self._processes[index].wait()
        if code == CANCELLED and self._context.reporter.cancelled:
            raise Cancelled
        if code != DONE:
            how = f"by signal {-code}" if code < 0 else f"with code {code}"
            name = f"process {index + 1} of {len(self._specs)} of {self._context.plan.step.name}"
            raise OSError(None, f"{name} ended unexpectedly ({how})")

    def _take(self, index: int, message: Message) -> None:
        data = message.data
        match message.type:
            case MessageType.PROGRESS:
                self._tell(index, data)
            case MessageType.ARTIFACT:
                self._context.adopt(artifact_from(data["artifact"]))
            case MessageType.ERROR:
                raise _error_from(data)
            case MessageType.DONE:
                self._context.notes.extend(data["notes"])
                self._context.dropped.extend(Dropped(**each) for each in data["dropped"])

    def _tell(self, index: int, data: dict[str, Any]) -> None:
        """Report the sum of the shards' progress; of those that train together, the first one speaks for all."""
        if self._specs[index].rendezvous:
            if index == 0:
                self._context.progress(data["done"], data["total"], data["note"])
            return
        self._done[index] = data["done"]
        self._context.progress(sum(self._done), sum(len(spec.items) for spec in self._specs), data["note"])

    def _end(self, patience_s: float) -> None:
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + patience_s
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        while self._open:
            index, line = self._lines.get()
            self._open -= line is None
            if line is not None and (artifact := _artifact_in(line)):
                self._context.adopt(artifact)


def _artifact_in(line: str) -> ArtifactRecord | None:
    try:
        message = decode_message(line)
    except (ValueError, KeyError):  # a child that was killed leaves half a line
        return None
    return artifact_from(message.data["artifact"]) if message.type is MessageType.ARTIFACT else None


def _error_from(data: dict[str, Any]) -> Exception:
    """Return the error that a child reports, as it was raised there."""
    code, sentence = str(data["code"]), str(data["message"])
    if data["kind"] == "permanent":
        known = {error.code: error for error in EngineError.__subclasses__()}
        return known.get(code, EngineError)(sentence)
    if code == "disk_full":
        return OSError(errno.ENOSPC, sentence)
    return MemoryError(sentence) if data["kind"] == "resource" else OSError(None, sentence)


def main() -> int:
    """Do one child's part and return the exit code."""
    channel = open_channel()
    spec = decode_spec(sys.stdin.readline())
    plan = StepPlan(STEP_BY_NAME[spec.step], spec.items, frozenset(), blocked=False)
    artifacts = {(record.step, record.item): record for record in spec.voice}
    inputs = Inputs(spec.config, (), {}, artifacts, spec.readings)
    context = StepContext(Path(spec.root), spec.character, inputs, plan, Path(spec.scratch), channel)
    return guarded(lambda: _work(spec, context), channel)


def _work(spec: ChildSpec, context: StepContext) -> dict[str, Any]:
    from pipeline.runner import MODULES

    module = importlib.import_module(MODULES[spec.step])
    if spec.rendezvous:
        _train(module, spec, context)
    else:
        module.make(context)
    return {"notes": context.notes, "dropped": [asdict(each) for each in context.dropped]}


def _train(module: Any, spec: ChildSpec, context: StepContext) -> None:
    from GPT_SoVITS.devices import choose_compute
    from GPT_SoVITS.training.loop import StoppedElsewhere
    from GPT_SoVITS.training.parallel import join_group, leave_group

    device = choose_compute("auto", spec.config.gpu_id).device
    group = join_group(spec.rank, spec.count, Path(spec.rendezvous), device)
    try:
        module.make(context, group)
    except StoppedElsewhere:
        raise Cancelled from None
    leave_group()


def decode_spec(line: str) -> ChildSpec:
    """Read a ChildSpec from its line."""
    raw = json.loads(line)
    items = tuple(
        Item(**{**item, "step": StepName(item["step"]), "feeds": tuple(Feed(**feed) for feed in item["feeds"])})
        for item in raw["items"]
    )
    parts = {
        "step": StepName(raw["step"]),
        "config": JobConfig(**raw["config"]),
        "items": items,
        "readings": tuple(Reading(**reading) for reading in raw["readings"]),
        "voice": tuple(artifact_from(record) for record in raw["voice"]),
    }
    return ChildSpec(**{**raw, **parts})


if __name__ == "__main__":
    sys.exit(main())
