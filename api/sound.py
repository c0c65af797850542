"""Sound as it is spoken: what the voice worker has written so far goes to the listener while it writes the rest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anyio import to_thread
from litestar.di import NamedDependency

from api.polling import Answers
from api.schemas_speech import SoundState
from api.stopping import Stopping
from daemon import inferences
from daemon.errors import BusyError, ConflictError, NotFoundError, ServiceError
from daemon.processes import module_command
from daemon.settings import CHECKOUT
from daemon.speech_options import SoundFormat
from daemon.tables import Status
from daemon.world import World

POLL_S = 0.05
BLOCK_BYTES = 64 * 1024
HEADER_BYTES = 44
"""Before the samples of a WAV file."""
UNKNOWN_SIZE = 0xFFFFFFFF
"""What a WAV header says when the length is not known yet."""


class SpeakingFailedError(ConflictError):
    """A sentence that could not be spoken, so that there is nothing to hear."""

    code = "speaking_failed"


@dataclass(frozen=True, slots=True)
class Listener:
    """What a stream needs to know of this process."""

    world: World
    answers: Answers
    stopping: Stopping

    async def state(self, inference_id: str) -> SoundState:
        """Return how much of a sentence can be heard.

        Raises:
            NotFoundError: there is no such sentence.
        """

        def compute() -> SoundState:
            with self.world.database.read() as session:
                row = inferences.get(session, inference_id)
                return SoundState(Status(row.status), row.error_message, row.output_path, dict(row.detail))

        return await self.answers.get(SoundState, inference_id, compute)


ListenerDependency = NamedDependency[Listener]


async def stream(listener: Listener, inference_id: str, sound_format: SoundFormat) -> AsyncIterator[bytes]:
    """Yield a sentence in a format, from its first sound on; wait for the first block to know that there is any.

    Raises:
        NotFoundError: there is no such sentence, or its sound is gone.
        ConflictError: it was cancelled.
        SpeakingFailedError: it could not be spoken.
        BusyError: the service stops.
    """
    rate_hz = await _rate_hz(listener, inference_id)
    samples = _samples(listener, inference_id)
    if sound_format is SoundFormat.WAV:
        yield _wav_header(rate_hz)
        async for block in samples:
            yield block
    else:
        async for block in _encoded(samples, sound_format, rate_hz):
            yield block


async def _rate_hz(listener: Listener, inference_id: str) -> int:
    """Wait for the first sound, or for the end without any."""
    while True:
        state = await listener.state(inference_id)
        if state.status is Status.COMPLETED:
            return int(state.detail.get("sample_rate_hz", 32_000))
        _raise_if_over(state, inference_id)
        sound = state.detail.get(inferences.SOUND)
        if sound and sound["bytes"] > 0:
            return int(sound["sample_rate_hz"])
        await _pause(listener.stopping)


async def _samples(listener: Listener, inference_id: str) -> AsyncIterator[bytes]:
    """Yield 16-bit samples as they are written."""
    work_dir = listener.world.layout.work_dir
    file: IO[bytes] | None = None
    sent = 0
    try:
        while True:
            state = await listener.state(inference_id)
            _raise_if_over(state, inference_id)
            complete = state.status is Status.COMPLETED
            path = state.output_path if complete else state.detail.get(inferences.SOUND, {}).get("path")
            if file is None and path is not None:
                file = await _open(work_dir / path, complete)
            known = UNKNOWN_SIZE if complete else state.detail.get(inferences.SOUND, {}).get("bytes", 0)
            if known < sent:
                raise SpeakingFailedError("the sentence had to be spoken anew; ask for it again")
            while file is not None and sent < known:
                block = await to_thread.run_sync(_read, file, sent, min(BLOCK_BYTES, known - sent))
                if not block:
                    break
                sent += len(block)
                yield block
            if complete and file is not None:
                return
            await _pause(listener.stopping)
    finally:
        if file is not None:
            file.close()


async def _open(path: Path, complete: bool) -> IO[bytes] | None:
    """Open the sound; a growing file that was just put in its place is found there in the next round."""
    try:
        return await to_thread.run_sync(lambda: path.open("rb"))
    except FileNotFoundError as error:
        if complete:
            raise NotFoundError("the sound of this sentence is not on the disk any more") from error
        return None


def _read(file: IO[bytes], place: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, HEADER_BYTES + place)


def _raise_if_over(state: SoundState, inference_id: str) -> None:
    if state.status is Status.CANCELLED:
        raise ConflictError(f"inference {inference_id} was cancelled")
    if state.status is Status.FAILED:
        raise SpeakingFailedError(state.error or "the sentence could not be spoken")


async def _pause(stopping: Stopping) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL_S):
            await stopping.wait()
    if stopping.asked:
        raise BusyError("the service stops; ask for the sentence again")


async def _encoded(samples: AsyncIterator[bytes], sound_format: SoundFormat, rate_hz: int) -> AsyncIterator[bytes]:
    """Yield samples through an encoder in a process of its own, so that this one stays free for others."""
    command = module_command("pipeline.encode", sound_format.value, str(rate_hz))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    feeding = asyncio.create_task(_feed(samples, process.stdin))
    try:
        while block := await process.stdout.read(BLOCK_BYTES):
            yield block
        await feeding
        if await process.wait() != 0:
            raise SpeakingFailedError(f"the sound cannot be encoded as {sound_format}")
    finally:
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError, ServiceError):
            await feeding
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _feed(samples: AsyncIterator[bytes], pipe: asyncio.StreamWriter) -> None:
    try:
        async for block in samples:
            pipe.write(block)
            await pipe.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        pipe.close()


def _wav_header(rate_hz: int) -> bytes:
    """Return the header of a mono 16-bit WAV whose length is not known yet."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", UNKNOWN_SIZE, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", UNKNOWN_SIZE,
    )  # fmt: skip


async def begun(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Wait for the first block, so that a failure before it is still an ordinary answer; return all blocks."""
    first = await anext(blocks, b"")

    async def rest() -> AsyncIterator[bytes]:
        try:
            yield first
            async for block in blocks:
                yield block
        finally:
            aclose = getattr(blocks, "aclose", None)
            if aclose is not None:
                await aclose()

    return rest()
