"""Speech recognition in a process of its own, where there is a GPU: `python -m pipeline.asr_process`.

CTranslate2 and torch want different CUDA majors there, and the libraries of both must not meet in one process. On the
CPU the model stays in the worker, which needs it for content features anyway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from GPT_SoVITS.errors import AudioError, EngineError, ModelMissingError
from pipeline.channel import die_with_parent, take_standard_output
from pipeline.recognise import Recognised, Recogniser, Scores
from pipeline.steps import JobConfig

GPU_CONTROL = Path("/dev/nvidiactl")
"""There on every machine with a working NVIDIA driver; looking at it loads no CUDA library."""
_ERRORS = {error.code: error for error in (AudioError, ModelMissingError)}


def open_recogniser(config: JobConfig) -> Recogniser:
    """Return a recogniser to be used in a `with` block."""
    arguments = (config.asr_model, config.models_dir, config.asr_device, config.asr_compute_type)
    on_gpu = config.asr_device != "cpu" and GPU_CONTROL.exists()
    return RecogniserProcess(*arguments) if on_gpu else Recogniser(*arguments)


class RecogniserProcess(Recogniser):
    """The same from outside, but the model lives in a child process."""

    def __enter__(self) -> RecogniserProcess:
        """Start the child; it loads its model on first use."""
        command = [sys.executable, "-m", "pipeline.asr_process", json.dumps(self._arguments)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child; its memory on the GPU is free afterwards."""
        self._child.kill()
        self._child.communicate()

    def recognise(self, clip: Path, language: str) -> Recognised:
        """See Recogniser.recognise."""
        answer = self._ask({"clip": str(clip), "language": language})
        return Recognised(answer["text"], answer["language"], Scores(**answer["scores"]))

    def language_of(self, clips: Sequence[Path]) -> str:
        """See Recogniser.language_of."""
        return str(self._ask({"clips": [str(clip) for clip in clips]})["language"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.write(json.dumps(question) + "\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise OSError(None, "the process that recognises speech ended unexpectedly")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _ERRORS.get(answer["code"], EngineError)(answer["error"])
        return answer


def main() -> None:
    """Answer one question a line until the input ends."""
    output = take_standard_output()
    die_with_parent()
    recogniser = Recogniser(*json.loads(sys.argv[1]))
    for line in sys.stdin:
        output.write(json.dumps(_answer(json.loads(line), recogniser)) + "\n")
        output.flush()


def _answer(question: dict[str, Any], recogniser: Recogniser) -> dict[str, Any]:
    try:
        if "clips" in question:
            return {"language": recogniser.language_of([Path(clip) for clip in question["clips"]])}
        return asdict(recogniser.recognise(Path(question["clip"]), question["language"]))
    except EngineError as error:
        return {"error": str(error), "code": error.code}


if __name__ == "__main__":
    main()
