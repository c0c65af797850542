"""Many sentences at once: a list of texts, a text file, or subtitles; given out as one archive."""

from __future__ import annotations

import logging
import os
import subprocess
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import srt
from sqlmodel import Session, col, select

from daemon import events, inferences, limits
from daemon.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from daemon.inferences import InferenceRequest
from daemon.keys import Caller
from daemon.processes import module_command
from daemon.settings import CHECKOUT
from daemon.tables import Inference, SpeechBatch, Status
from daemon.world import World
from pipeline.protocol import PackItem, PackOrder, encode
from pipeline.sound_formats import SoundFormat

logger = logging.getLogger(__name__)

MOST_TEXTS = 1000
PACK_TIMEOUT_S = 600.0
_WAITING = (Status.PENDING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be spoken: texts with the names of their files and, for subtitles, when each begins."""

    texts: tuple[str, ...]
    names: tuple[str, ...]
    starts_s: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is."""

    status: Status
    done: int
    failed: int
    total: int


def script_of_texts(texts: Sequence[str]) -> Script:
    """Return a script of texts, named by their number.

    Raises:
        InvalidInputError: there are none, or too many.
    """
    kept = tuple(text.strip() for text in texts if text.strip())
    if not kept:
        raise InvalidInputError("texts: there is nothing to speak")
    if len(kept) > MOST_TEXTS:
        raise InvalidInputError(f"texts: {len(kept)} are more than the limit of {MOST_TEXTS}; send several batches")
    return Script(kept, tuple(f"{number:04d}" for number in range(1, len(kept) + 1)))


def script_of_file(content: str) -> Script:
    """Return a script of a text file: every line that is not empty is one text.

    Raises:
        InvalidInputError: there is none, or too many.
    """
    return script_of_texts(content.lstrip("\ufeff").splitlines())


def script_of_subtitles(content: str) -> Script:
    """Return a script of SRT subtitles; tags such as <i> are left out.

    Raises:
        InvalidInputError: it is no SRT, or holds nothing to speak.
    """
    try:
        cues = list(srt.parse(content.lstrip("\ufeff").replace("\r\n", "\n")))
    except (srt.SRTParseError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"subtitles: this is not SRT ({' '.join(str(error).split())[:200]})") from error
    lines = [(cue, _plain(cue.content)) for cue in cues]
    spoken = [(cue, text) for cue, text in lines if text]
    script = script_of_texts([text for _, text in spoken])
    return replace(script, starts_s=tuple(max(0.0, cue.start.total_seconds()) for cue, _ in spoken))


def create(
    world: World, script: Script, template: InferenceRequest, sound_format: SoundFormat, caller: Caller | None
) -> SpeechBatch:
    """Queue a batch; single sentences that come later are spoken before the rest of it.

    Args:
        template: everything but the text.
        caller: who asks; each text counts as one sentence.

    Raises:
        InvalidInputError, NotFoundError, ConflictError, RateLimitError: as for a single sentence; nothing is queued.
    """
    requests = [replace(template, target_text=text) for text in script.texts]
    for number, request in enumerate(requests, start=1):
        try:
            inferences.check(request, world.settings)
        except InvalidInputError as error:
            raise InvalidInputError(f"text {number}: {error}") from error
    with world.database.write() as session:
        if caller is not None:
            limits.count_sentences(session, world.settings.limits, caller, len(requests))
        character = inferences.accept(session, world.settings, world.layout, template)
        batch = SpeechBatch(
            id=uuid.uuid4().hex,
            character_id=character.id,
            character_name=character.name,
            sound_format=sound_format,
            names=list(script.names),
            starts_s=list(script.starts_s) if script.starts_s is not None else None,
        )
        session.add(batch)
        session.flush()
        for position, request in enumerate(requests):
            inferences.queue_one(session, character, request, (batch.id, position))
        events.append(session, "batch.queued", character_id=character.id, batch=batch.id, sentences=len(requests))
    return batch


def get(session: Session, batch_id: str) -> SpeechBatch:
    """Return one batch.

    Raises:
        NotFoundError: there is none with this id.
    """
    batch = session.get(SpeechBatch, batch_id)
    if batch is None:
        raise NotFoundError(f"batch {batch_id!r} does not exist")
    return batch


def listing(session: Session, limit: int) -> Sequence[SpeechBatch]:
    """Return the newest batches, newest first."""
    newest_first = (col(SpeechBatch.created_at).desc(), col(SpeechBatch.id))
    return session.exec(select(SpeechBatch).order_by(*newest_first).limit(limit)).all()


def sentences(session: Session, batch: SpeechBatch) -> Sequence[Inference]:
    """Return the sentences of a batch in their order."""
    query = select(Inference).where(Inference.batch_id == batch.id)
    return session.exec(query.order_by(col(Inference.batch_position))).all()


def state_of(rows: Sequence[Inference]) -> BatchState:
    """Return how far a batch is, from its sentences."""
    count = Counter(Status(row.status) for row in rows)
    waiting = count[Status.PENDING] + count[Status.RUNNING]
    if waiting:
        status = Status.PENDING if count[Status.PENDING] == len(rows) else Status.RUNNING
    elif count[Status.CANCELLED]:
        status = Status.CANCELLED
    else:
        status = Status.FAILED if count[Status.FAILED] else Status.COMPLETED
    return BatchState(status, len(rows) - waiting, count[Status.FAILED], len(rows))


def cancel(world: World, batch_id: str) -> SpeechBatch:
    """Stop what is left of a batch; what was spoken stays.

    Raises:
        NotFoundError: there is none with this id.
    """
    with world.database.write() as session:
        batch = get(session, batch_id)
        for row in sentences(session, batch):
            inferences.request_cancel(session, row)
        return batch


def archive(world: World, batch_id: str) -> Path:
    """Return the archive of a finished batch; it is made when somebody asks for it the first time.

    Raises:
        NotFoundError: no such batch.
        ConflictError: it has not ended, or nothing of it was spoken.
        StorageError: the archive cannot be made.
    """
    with world.database.read() as session:
        batch = get(session, batch_id)
        rows = sentences(session, batch)
    if any(row.status in _WAITING for row in rows):
        raise ConflictError(f"batch {batch_id} is {state_of(rows).status}; wait until it has ended")
    spoken = [row for row in rows if row.status == Status.COMPLETED and row.output_path]
    if not spoken:
        raise ConflictError(f"nothing of batch {batch_id} was spoken")
    target = world.layout.inference / f"{batch.id}.zip"
    if not target.exists():
        _pack(world, batch, spoken, target)
    return target


def _pack(world: World, batch: SpeechBatch, spoken: Sequence[Inference], target: Path) -> None:
    temporary = world.layout.scratch / f"{batch.id}-{os.urandom(4).hex()}.zip"
    items = tuple(
        PackItem(
            path=str(world.layout.work_dir / str(row.output_path)),
            name=batch.names[row.batch_position],
            text=row.target_text,
            start_s=batch.starts_s[row.batch_position] if batch.starts_s is not None else None,
        )
        for row in spoken
    )
    order = encode(PackOrder(str(temporary), batch.sound_format, items))
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = module_command("pipeline.pack")
    try:
        done = subprocess.run(
            command, input=order.encode(), env=environment, capture_output=True, timeout=PACK_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            logger.error("packing batch %s failed: %s", batch.id, done.stderr.decode(errors="replace")[-2000:])
            raise StorageError("the archive cannot be made; is the disk full? The log says more")
        temporary.replace(target)
    except subprocess.TimeoutExpired as error:
        raise StorageError("making the archive took too long; download the sentences one by one") from error
    finally:
        temporary.unlink(missing_ok=True)


def _plain(content: str) -> str:
    """Return the words of a cue on one line, without tags."""
    kept, depth = [], 0
    for each in content:
        depth += each in "<{"
        if not depth:
            kept.append(each)
        depth -= each in ">}" and depth > 0
    return " ".join("".join(kept).split())
