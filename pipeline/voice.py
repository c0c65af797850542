"""`python -m pipeline.voice`: the voice worker. Keeps voices warm and speaks one request a line.

Reads SpeakRequests from standard input, answers with messages on standard output. It leaves when the input ends, when
the daemon is gone, or after `--idle-seconds` without a request, so that the GPU is free.
"""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from GPT_SoVITS.audio import write_wav
from GPT_SoVITS.devices import use_all_cores
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.inference import Reference, SpeakOptions, Speech, Voice
from GPT_SoVITS.sampling import SamplingOptions
from pipeline.channel import Channel, die_with_parent
from pipeline.protocol import Message, MessageType, SpeakRequest, decode_speak

logger = logging.getLogger(__name__)

WARM_VOICES = 4
DEFAULT_IDLE_S = 300.0


class WarmVoices:
    """Loaded voices; the least recently used goes first. A retrained voice has other files and is loaded anew."""

    def __init__(self, limit: int = WARM_VOICES) -> None:
        self._limit = limit
        self._voices: OrderedDict[tuple[str, int, str, int, str], Voice] = OrderedDict()

    def get(self, request: SpeakRequest) -> Voice:
        """Return the voice of a request, loaded if it is not warm."""
        sovits, gpt = Path(request.sovits_path), Path(request.gpt_path)
        key = (str(sovits), sovits.stat().st_mtime_ns, str(gpt), gpt.stat().st_mtime_ns, request.device)
        if key not in self._voices:
            self._voices[key] = Voice(sovits, gpt, models_dir=request.models_dir, device=request.device)
            while len(self._voices) > self._limit:
                self._voices.popitem(last=False)
        self._voices.move_to_end(key)
        return self._voices[key]


def speak(request: SpeakRequest, voices: WarmVoices, channel: Channel) -> None:
    """Speak one request into its file.

    Raises:
        EngineError: it cannot be spoken; one sentence says why.
        OSError: a file cannot be read or written.
    """
    began = time.monotonic()
    voice = voices.get(request)

    def progress(done: int, total: int) -> None:
        channel.send(Message(MessageType.PROGRESS, {"request_id": request.request_id, "done": done, "total": total}))

    sampling = SamplingOptions(request.top_k, request.top_p, request.temperature, request.repetition_penalty)
    options = SpeakOptions(
        request.cut_method, request.speed, seed=request.seed, sampling=sampling, readings=request.readings
    )
    reference = Reference(Path(request.ref_audio), request.ref_text, request.ref_language)
    speech = voice.speak(request.text, request.language, reference, options, progress)
    _write(Path(request.output_path), speech)
    seconds = len(speech.samples) / speech.rate_hz
    facts = {
        "request_id": request.request_id,
        "output_path": request.output_path,
        "seconds": round(seconds, 3),
        "sample_rate_hz": speech.rate_hz,
        "seed": speech.seed,
        "warnings": list(speech.warnings),
        "real_time_factor": round((time.monotonic() - began) / max(seconds, 0.01), 3),
    }
    channel.send(Message(MessageType.SPOKEN, facts))


def _write(path: Path, speech: Speech) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write_wav(temporary, speech.samples.astype(np.float32) / np.float32(32768.0), speech.rate_hz)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def serve(channel: Channel, idle_s: float) -> None:
    """Answer requests until the input ends or nothing has come for `idle_s` seconds."""
    voices = WarmVoices()
    stream = sys.stdin.buffer
    while select.select([stream], [], [], idle_s)[0]:
        line = stream.readline()
        if not line:
            return
        _answer(line.decode("utf-8"), voices, channel)


def _answer(line: str, voices: WarmVoices, channel: Channel) -> None:
    request_id = ""
    try:
        request = decode_speak(line)
        request_id = request.request_id
        speak(request, voices, channel)
    except EngineError as error:
        _refuse(channel, request_id, error.code, str(error), "permanent")
    except (TypeError, ValueError) as error:
        _refuse(channel, request_id, "bad_request", f"the request cannot be spoken: {error}", "permanent")
    except MemoryError:
        _refuse(channel, request_id, "memory", "the memory is full; try again later", "resource")
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        _refuse(channel, request_id, "io", f"{name} cannot be read or written: {error.strerror}", "retryable")
    except Exception:  # the boundary of the worker: a bad request must not end it
        logger.exception("request %s", request_id)
        _refuse(
            channel,
            request_id,
            "internal",
            "speaking failed unexpectedly; the log of the voice worker tells why",
            "permanent",
        )


def _refuse(channel: Channel, request_id: str, code: str, sentence: str, kind: str) -> None:
    data = {"request_id": request_id, "code": code, "message": sentence, "kind": kind}
    channel.send(Message(MessageType.ERROR, data))


def main() -> int:
    """Serve and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.voice", description="the voice worker of sovits-daemon")
    parser.add_argument("--idle-seconds", type=float, default=DEFAULT_IDLE_S)
    arguments = parser.parse_args()
    channel = Channel()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    level = os.environ.get("SOVITS_LOG__LEVEL", "INFO")
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    use_all_cores()
    channel.send(Message(MessageType.STARTED, {"pid": os.getpid()}))
    serve(channel, arguments.idle_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
