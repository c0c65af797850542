"""The job worker: one job from standard input, messages to standard output, and an exit code that says how it ended."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys

from GPT_SoVITS.errors import EngineError
from pipeline.channel import Channel, die_with_parent
from pipeline.context import Cancelled
from pipeline.protocol import JobSpec, Message, MessageType, decode_job
from pipeline.runner import run_job

logger = logging.getLogger(__name__)

DONE, CANCELLED, PERMANENT, RESOURCE, RETRYABLE = 0, 3, 10, 11, 12
NICENESS = 5
"""The API and the daemon come first on a small machine."""
_LACKING = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}


def main() -> int:
    """Run one job and return the exit code."""
    channel = Channel()
    die_with_parent()
    signal.signal(signal.SIGTERM, channel.cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    logging.basicConfig(
        stream=sys.stderr,
        level=os.environ.get("SOVITS_LOG__LEVEL", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    job = decode_job(sys.stdin.readline())
    channel.send(Message(MessageType.STARTED, {"pid": os.getpid()}))
    return _run(job, channel)


def _run(job: JobSpec, channel: Channel) -> int:
    try:
        run_job(job, channel)
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
        if "out of memory" not in str(error):
            raise
        logger.exception("memory of the device")
        return _fail(
            channel, RESOURCE, "device_memory", "the memory of the device is full; lower batch_size", "resource"
        )
    channel.send(Message(MessageType.DONE))
    return DONE


def _fail(channel: Channel, code: int, name: str, sentence: str, kind: str) -> int:
    channel.send(Message(MessageType.ERROR, {"code": name, "message": sentence, "kind": kind}))
    return code
