"""`python -m pipeline.voice`: the voice worker. Keeps voices warm and speaks one request after the other.

Reads SpeakRequests and SpeakCancels from standard input, one a line, and answers with messages on standard output. It
leaves when the input ends, when the daemon is gone, or after `--idle-seconds` without a request, so that the GPU is
free.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from GPT_SoVITS.audio import resample
from GPT_SoVITS.devices import is_out_of_memory, use_all_cores
from GPT_SoVITS.errors import EngineError
from GPT_SoVITS.inference import Reference, SpeakOptions
from GPT_SoVITS.sampling import SamplingOptions
from GPT_SoVITS.speech_guard import RateBounds
from GPT_SoVITS.whisper import RATE_HZ
from GPT_SoVITS.word_check import Listener, Samples
from pipeline.channel import Channel, die_with_parent
from pipeline.growing_wav import DATA_OFFSET, GrowingWav
from pipeline.protocol import Message, MessageType, SpeakRequest
from pipeline.recognise import Recogniser
from pipeline.voice_requests import BadRequestError, RequestCancelledError, RequestQueue
from pipeline.warm_voices import DEFAULT_BYTES, WarmVoices

logger = logging.getLogger(__name__)

DEFAULT_IDLE_S = 300.0


@dataclass(frozen=True, slots=True)
class Worker:
    """What requests are answered with."""

    voices: WarmVoices
    requests: RequestQueue
    channel: Channel


def speak(request: SpeakRequest, worker: Worker) -> None:
    """Speak one request into its file, which grows as the sound is made.

    Raises:
        EngineError: it cannot be spoken; one sentence says why.
        OSError: a file cannot be read or written.
        RequestCancelledError: it was cancelled.
        ValueError: an option has no meaning.
    """
    began = time.monotonic()
    worker.requests.check(request.request_id)
    loaded_before = worker.voices.loaded
    options, reference = _options(request), _reference(request)
    voice = worker.voices.get(request)
    encoded_before = voice.encoded

    def progress(done: int, total: int) -> None:
        worker.requests.check(request.request_id)
        told = {"request_id": request.request_id, "done": done, "total": total}
        worker.channel.send(Message(MessageType.PROGRESS, told))

    rate_hz = voice.family.audio.sample_rate_hz
    seed, first_sound_s, warnings = 0, 0.0, dict[str, None]()
    with GrowingWav(Path(request.output_path), rate_hz) as output:
        for fragment in voice.stream(request.text, request.language, reference, options, progress):
            output.append(fragment.samples)
            first_sound_s = first_sound_s or time.monotonic() - began
            seed = fragment.seed
            warnings.update(dict.fromkeys(fragment.warnings))
            _announce(worker.channel, request, output, rate_hz)
    seconds = output.bytes / 2 / rate_hz
    facts = {
        "request_id": request.request_id,
        "output_path": request.output_path,
        "seconds": round(seconds, 3),
        "sample_rate_hz": rate_hz,
        "seed": seed,
        "warnings": list(warnings),
        "real_time_factor": round((time.monotonic() - began) / max(seconds, 0.01), 3),
        "first_sound_s": round(first_sound_s, 3),
        "encoded": voice.encoded - encoded_before,
        "loaded": worker.voices.loaded > loaded_before,
    }
    worker.channel.send(Message(MessageType.SPOKEN, facts))


def _announce(channel: Channel, request: SpeakRequest, output: GrowingWav, rate_hz: int) -> None:
    facts = {
        "request_id": request.request_id,
        "path": str(output.path),
        "offset": DATA_OFFSET,
        "bytes": output.bytes,
        "sample_rate_hz": rate_hz,
    }
    channel.send(Message(MessageType.FRAGMENT, facts))


def _options(request: SpeakRequest) -> SpeakOptions:
    return SpeakOptions(
        cut_method=request.cut_method,
        speed=request.speed,
        pause_s=request.pause_s,
        seed=request.seed,
        sampling=SamplingOptions(request.top_k, request.top_p, request.temperature, request.repetition_penalty),
        batch_size=request.batch_size,
        bounds=RateBounds(*request.codes_per_phone) if request.codes_per_phone else RateBounds(),
        tries=request.tries,
        listener=_listener(request) if request.verify_words else None,
        readings=request.readings,
    )


def _reference(request: SpeakRequest) -> Reference:
    others = tuple(Path(path) for path in request.other_references)
    return Reference(Path(request.ref_audio), request.ref_text, request.ref_language, others)


def _listener(request: SpeakRequest) -> Listener:
    """Return what recognises words, on the CPU: torch and the recogniser want different versions of CUDA."""
    recogniser = Recogniser(request.asr_model, request.models_dir, "cpu", "int8")

    def listen(samples: Samples, rate_hz: int, language: str) -> str:
        return recogniser.recognise_samples(resample(samples, rate_hz, RATE_HZ), language).text

    return listen


def serve(worker: Worker, idle_s: float) -> None:
    """Answer requests until the input ends or nothing has come for `idle_s` seconds."""
    while (request := worker.requests.next(idle_s)) is not None:
        if isinstance(request, BadRequestError):
            _refuse(worker.channel, "", "bad_request", f"the request cannot be spoken: {request}", "permanent")
            continue
        _answer(request, worker)
        worker.requests.close(request.request_id)


def _answer(request: SpeakRequest, worker: Worker) -> None:
    channel, request_id = worker.channel, request.request_id
    try:
        speak(request, worker)
    except RequestCancelledError:
        channel.send(Message(MessageType.CANCELLED, {"request_id": request_id}))
    except EngineError as error:
        _refuse(channel, request_id, error.code, str(error), "permanent")
    except (TypeError, ValueError) as error:
        _refuse(channel, request_id, "bad_request", f"the request cannot be spoken: {error}", "permanent")
    except OSError as error:
        name = Path(error.filename).name if error.filename else "a file"
        _refuse(channel, request_id, "io", f"{name} cannot be read or written: {error.strerror}", "retryable")
    except Exception as error:  # the boundary of the worker: a bad request must not end it
        if is_out_of_memory(error):  # torch's own errors among them, on a GPU and on the CPU
            _refuse(channel, request_id, "memory", "the memory is full; try again later", "resource")
            return
        logger.exception("request %s", request_id)
        sentence = "speaking failed unexpectedly; the log of the voice worker tells why"
        _refuse(channel, request_id, "internal", sentence, "permanent")


def _refuse(channel: Channel, request_id: str, code: str, sentence: str, kind: str) -> None:
    data = {"request_id": request_id, "code": code, "message": sentence, "kind": kind}
    channel.send(Message(MessageType.ERROR, data))


def main() -> int:
    """Serve and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.voice", description="the voice worker of sovits-daemon")
    parser.add_argument("--idle-seconds", type=float, default=DEFAULT_IDLE_S)
    parser.add_argument("--warm-bytes", type=int, default=DEFAULT_BYTES)
    arguments = parser.parse_args()
    channel = Channel()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    level = os.environ.get("SOVITS_LOG__LEVEL", "INFO")
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    use_all_cores()
    channel.send(Message(MessageType.STARTED, {"pid": os.getpid()}))
    serve(Worker(WarmVoices(arguments.warm_bytes), RequestQueue(sys.stdin.fileno()), channel), arguments.idle_seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
