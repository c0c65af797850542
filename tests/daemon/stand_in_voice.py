"""A voice worker that speaks the real protocol and behaves as told, one behaviour a request.

Usage: stand_in_voice.py RUNS BEHAVIOUR[,BEHAVIOUR...]; RUNS gets one line a request: its process.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from pipeline.growing_wav import DATA_OFFSET
from pipeline.protocol import Message, MessageType, SpeakRequest, decode_speak, encode


def say(kind: MessageType, /, **data: object) -> None:
    sys.stdout.write(encode(Message(kind, data)) + "\n")
    sys.stdout.flush()


def speak(request: SpeakRequest) -> None:
    say(MessageType.PROGRESS, request_id=request.request_id, done=1, total=2)
    Path(request.output_path).write_bytes(request.text.encode())
    say(MessageType.SPOKEN, request_id=request.request_id, output_path=request.output_path, seconds=1.5, warnings=[])


def begin(request: SpeakRequest) -> None:
    """Let the first sound be heard."""
    growing = Path(request.output_path).with_name(f".{request.request_id}.part")
    growing.write_bytes(bytes(DATA_OFFSET + 6400))
    facts = {"path": str(growing), "offset": DATA_OFFSET, "bytes": 6400, "sample_rate_hz": 32_000}
    say(MessageType.FRAGMENT, request_id=request.request_id, **facts)


def behave(behaviour: str, request: SpeakRequest) -> None:
    match behaviour:
        case "refuse":
            say(MessageType.ERROR, request_id=request.request_id, code="text", message="nothing can be spoken", kind="")
        case "crash":
            os.write(2, b"Fatal: out of luck\n")
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave":
            sys.exit(0)
        case "hang":
            time.sleep(600)
        case "begin":
            begin(request)
            time.sleep(600)
        case "stray":
            sys.stdout.write("a stray print\n{}\n")
            say(MessageType.SPOKEN, request_id="of another time", seconds=9)
            speak(request)
        case _:
            speak(request)


def main() -> None:
    runs, behaviours = Path(sys.argv[1]), sys.argv[2].split(",")
    say(MessageType.STARTED, pid=os.getpid())
    for line in sys.stdin:
        with runs.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        number = len(runs.read_text().splitlines()) - 1
        behave(behaviours[min(number, len(behaviours) - 1)], decode_speak(line))


if __name__ == "__main__":
    main()
