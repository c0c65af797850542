"""The job worker: one job from standard input, messages to standard output, and an exit code that says how it ended."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from GPT_SoVITS.errors import EngineError
from pipeline.channel import Channel, die_with_parent
from pipeline.context import Cancelled
from pipeline.protocol import Message, MessageType, decode_job
from pipeline.runner import run_job

logger = logging.getLogger(__name__)

DONE, CANCELLED, PERMANENT, RESOURCE, RETRYABLE = 0, 3, 10, 11, 12
NICENESS = 5
"""The API and the daemon come first on a small machine."""
_LACKING = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}


def main() -> int:
    """Run one job and return the exit code."""
    channel = open_channel()
    os.nice(NICENESS)
    job = decode_job(sys.stdin.readline())
    channel.send(Message(MessageType.STARTED, {"pid": os.getpid()}))
    return guarded(lambda: run_job(job, channel), channel)


def open_channel() -> Channel:
    """Prepare this process to be a worker: messages out, SIGTERM as the wish to stop, the log on standard error."""
    channel = Channel()
    die_with_parent()
    signal.signal(signal.SIGTERM, channel.cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("SOVITS_LOG__LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    return channel


def guarded(work: Callable[[], dict[str, Any] | None], channel: Channel) -> int:
    """Do a worker's work, say how it ended, and return the exit code.

    Args:
        work: what to do; what it returns goes out with the message that all is done.
        channel: where to say it.
    """
    try:
        facts = work()
    except Cancelled:
        return CANCELLED
    except EngineError as error:
        logger.error("%s", error)
        return _fail(channel, PERMANENT, error.code, str(error), "permanent")
    except MemoryError:
        logger.exception("memory")
        return _fail(channel, RESOURCE, "memory", "the memory is full; the job is tried again later", "resource")
    except OSError as error:
        logger.exception("input or output failed")
        if error.errno in _LACKING:
            return _fail(channel, RESOURCE, "disk_full", "the disk is full; free some space", "resource")
        return _fail(channel, RETRYABLE, "io", f"reading or writing failed: {error.strerror}", "retryable")
    except RuntimeError as error:
        from GPT_SoVITS.devices import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        logger.exception("memory of the device")
        return _fail(
            channel, RESOURCE, "device_memory", "the memory of the device is full; lower batch_size", "resource"
        )
    channel.send(Message(MessageType.DONE, facts or {}))
    return DONE


def _fail(channel: Channel, code: int, name: str, sentence: str, kind: str) -> int:
    channel.send(Message(MessageType.ERROR, {"code": name, "message": sentence, "kind": kind}))
    return code
