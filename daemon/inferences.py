"""Sentences to speak: accepting them, the lane's steps, and what the voice worker is told."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlmodel import Session, col, select

from daemon import characters, dictionaries, events, limits, references, speech_options, versions, zero_shot
from daemon.character_config import job_config
from daemon.database import Database
from daemon.errors import ConflictError, InvalidInputError, NotFoundError
from daemon.keys import Caller
from daemon.layout import Layout
from daemon.names import base_name, recording_name
from daemon.settings import Settings
from daemon.speech_options import SpeechOptions
from daemon.tables import Character, Inference, Status, Voice, now
from GPT_SoVITS.errors import TextError
from GPT_SoVITS.families import RANDOM_WEIGHTS
from GPT_SoVITS.text.languages import mode_of
from pipeline.protocol import SpeakRequest

logger = logging.getLogger(__name__)

DEFAULT_LANGUAGE = "中文"
SOUND = "sound"
"""Key of an inference's detail: how much of it can be heard while it is being spoken."""
MAX_ATTEMPTS = 2
"""A sentence during which the service ended this often has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """What a client asks for."""

    target_text: str
    character_name: str | None = None
    """None: the default character."""
    ref_audio: str | None = None
    """None: the best clip is chosen."""
    ref_text: str | None = None
    """None: the transcript of the reference, where known."""
    ref_language: str | None = None
    """None: that of the known transcript, else Chinese."""
    target_language: str = DEFAULT_LANGUAGE
    output_name: str | None = None
    voice_version: int | None = None
    """None: the version that is active when the sentence is spoken."""
    options: SpeechOptions = SpeechOptions()


def create(
    database: Database,
    settings: Settings,
    layout: Layout,
    request: InferenceRequest,
    caller: Caller | None = None,
) -> Inference:
    """Accept a sentence and queue it; None is a caller without limits, such as the operator.

    Raises:
        InvalidInputError: an empty or too long text, an unknown language, a reference that cannot be used.
        NotFoundError: an unknown character, or none given and no default.
        ConflictError: the character has no trained voice yet, and there is no base to imitate a reference.
        RateLimitError: the caller has asked for too many in this minute.
    """
    check(request, settings)
    with database.write() as session:
        if caller is not None:
            limits.count_sentences(session, settings.limits, caller)
        character = accept(session, settings, layout, request)
        return queue_one(session, character, request)


def accept(session: Session, settings: Settings, layout: Layout, request: InferenceRequest) -> Character:
    """Return the character of a request that can be spoken now.

    Raises:
        NotFoundError, ConflictError, InvalidInputError: as `create`.
    """
    character = _character(session, request.character_name)
    for reference in (request.ref_audio, *request.options.other_references):
        if reference is not None:
            references.resolve(session, layout, character, reference)
    _voice_or_base(session, settings, layout, character, request)
    return character


def _voice_or_base(
    session: Session, settings: Settings, layout: Layout, character: Character, request: InferenceRequest
) -> Voice | None:
    """Return the version that speaks, or None when the base of the family imitates the reference.

    Raises:
        NotFoundError, ConflictError: neither is there.
    """
    untrained = request.voice_version is None and versions.active(session, character) is None
    if untrained and zero_shot.can_imitate(session, settings, layout, character, request.ref_audio):
        return None
    return speaking_voice(session, character, request.voice_version)


def queue_one(
    session: Session, character: Character, request: InferenceRequest, place: tuple[str, int] | None = None
) -> Inference:
    """Add an accepted sentence to the session; `place` is the batch that it belongs to and its position there."""
    batch_id, position = place or (None, 0)
    inference = Inference(
        id=uuid.uuid4().hex,
        character_id=character.id,
        character_name=character.name,
        target_text=request.target_text,
        request={**asdict(request), "character_name": character.name},
        batch_id=batch_id,
        batch_position=position,
    )
    session.add(inference)
    events.append(session, "inference.queued", character_id=character.id, inference=inference.id)
    return inference


def request_of(inference: Inference) -> InferenceRequest:
    """Return the request as it was accepted."""
    fields = dict(inference.request)
    options = speech_options.from_plain(fields.pop("options", {}))
    return InferenceRequest(**fields, options=options)


def get(session: Session, inference_id: str) -> Inference:
    """Return one inference.

    Raises:
        NotFoundError: there is none with this id.
    """
    inference = session.get(Inference, inference_id)
    if inference is None:
        raise NotFoundError(f"inference {inference_id!r} does not exist")
    return inference


def list_all(session: Session, limit: int = 1000) -> Sequence[Inference]:
    """Return the newest inferences, newest first."""
    newest_first = (col(Inference.created_at).desc(), col(Inference.id))
    return session.exec(select(Inference).order_by(*newest_first).limit(limit)).all()


def speaking_voice(session: Session, character: Character, version: int | None = None) -> Voice:
    """Return the version of a character's voice that speaks: the one that is named, or the active one.

    Raises:
        NotFoundError: there is no such version.
        ConflictError: there is no version at all yet.
    """
    if version is not None:
        return versions.get(session, character, version)
    voice = versions.active(session, character)
    if voice is None:
        raise ConflictError(f"character {character.name!r} has no trained voice yet; start its training first")
    return voice


def claim(database: Database) -> Inference | None:
    """Take the oldest waiting sentence, now running with its attempt counted, or None."""
    with database.read() as session:  # an idle lane must not take the write lock each time
        if session.exec(_waiting()).first() is None:
            return None
    with database.write() as session:
        inference: Inference | None = session.exec(_waiting()).first()
        if inference is not None:
            inference.status, inference.started_at = Status.RUNNING, now()
            inference.attempt += 1
            session.add(inference)
        return inference


def progress(database: Database, inference_id: str, percent: float) -> None:
    """Record how far a running sentence is, 0 to 100."""
    with database.write() as session:
        inference = session.get(Inference, inference_id)
        if inference is not None and inference.status == Status.RUNNING:
            inference.progress = percent
            session.add(inference)


def finish(database: Database, inference_id: str, facts: Mapping[str, Any]) -> None:
    """Record a spoken sentence; its file is in place."""
    with database.write() as session:
        inference = session.get(Inference, inference_id)
        if inference is not None:
            inference.output_path = output_path(inference)
            warnings = [*facts.get("warnings", ()), *_caveats(session, inference)]
            inference.progress, inference.detail = 100.0, {**facts, "warnings": warnings}
            _end(session, inference, Status.COMPLETED)


def _caveats(session: Session, inference: Inference) -> list[str]:
    """Return what a listener should know of the voice itself."""
    character = session.get(Character, inference.character_id) if inference.character_id is not None else None
    version = inference.request.get("voice_version")
    voice = (session.get(Voice, version) if version else versions.active(session, character)) if character else None
    if voice is None or voice.trained_from != RANDOM_WEIGHTS:
        return []
    return ["this voice was trained from random weights; it is noise with the rhythm of speech, not a usable voice"]


def sounded(database: Database, inference_id: str, facts: Mapping[str, Any]) -> None:
    """Record how much of a running sentence can be heard already: {path, offset, bytes, sample_rate_hz}."""
    with database.write() as session:
        inference = session.get(Inference, inference_id)
        if inference is not None and inference.status == Status.RUNNING:
            inference.detail = {**inference.detail, SOUND: dict(facts)}
            session.add(inference)


def cancel(database: Database, inference_id: str) -> Inference:
    """Stop a sentence: one that waits ends at once, one that is being spoken as soon as the voice worker hears of it.

    A sentence that has ended already is left as it is.

    Raises:
        NotFoundError: there is none with this id.
    """
    with database.write() as session:
        inference = get(session, inference_id)
        request_cancel(session, inference)
        return inference


def request_cancel(session: Session, inference: Inference) -> None:
    """Stop a sentence; see `cancel`."""
    if inference.status == Status.PENDING:
        _end(session, inference, Status.CANCELLED)
    elif inference.status == Status.RUNNING:
        inference.cancel_requested = True
        session.add(inference)


def cancel_is_requested(database: Database, inference_id: str) -> bool:
    """Whether somebody wants a running sentence to stop."""
    with database.read() as session:
        inference = session.get(Inference, inference_id)
        return inference is None or inference.cancel_requested


def cancelled(database: Database, inference_id: str) -> None:
    """Record that a sentence was stopped as asked."""
    with database.write() as session:
        inference = session.get(Inference, inference_id)
        if inference is not None:
            _end(session, inference, Status.CANCELLED)


def fail(database: Database, inference_id: str, sentence: str) -> None:
    """Record why a sentence was not spoken."""
    with database.write() as session:
        inference = session.get(Inference, inference_id)
        if inference is not None:
            inference.error_message = sentence
            _end(session, inference, Status.FAILED)
    logger.warning("inference %s failed: %s", inference_id, sentence)


def recover(database: Database) -> int:
    """Put back what an earlier daemon left running, or fail it when that happened before; return how many."""
    with database.write() as session:
        left = session.exec(select(Inference).where(Inference.status == Status.RUNNING)).all()
        for inference in left:
            if inference.cancel_requested:
                _end(session, inference, Status.CANCELLED)
            elif inference.attempt >= MAX_ATTEMPTS:
                inference.error_message = f"the service ended {inference.attempt} times while this was being spoken"
                _end(session, inference, Status.FAILED)
            else:
                inference.status, inference.progress = Status.PENDING, 0.0
                session.add(inference)
        return len(left)


def output_path(inference: Inference) -> str:
    """Return where the sentence is written, relative to the work directory."""
    wanted = inference.request.get("output_name")
    stem = PurePosixPath(recording_name(base_name(wanted))).stem if wanted else ""
    return f"inference/{stem}_{inference.id}.wav" if stem else f"inference/{inference.id}.wav"


def speak_request(session: Session, settings: Settings, layout: Layout, inference: Inference) -> SpeakRequest:
    """Return what the voice worker needs to speak a sentence.

    Raises:
        NotFoundError: the character is gone.
        ConflictError: it has no reference any more, or no voice and there is no base that could speak instead.
        InvalidInputError: the reference is gone.
    """
    character = session.get(Character, inference.character_id) if inference.character_id is not None else None
    if character is None:
        raise NotFoundError(f"character {inference.character_name!r} does not exist any more")
    request = request_of(inference)
    options = request.options
    voice = _voice_or_base(session, settings, layout, character, request)
    reference = _reference(session, layout, character, request)
    config = job_config(character.config, settings)
    root = layout.character(character.name)
    return SpeakRequest(
        request_id=inference.id,
        family=voice.family if voice is not None else config.family,
        sovits_path=str(root / voice.sovits_path) if voice is not None else "",
        gpt_path=str(root / voice.gpt_path) if voice is not None else "",
        ref_audio=str(reference.path),
        ref_text=reference.text,
        ref_language=reference.mode,
        text=inference.target_text,
        language=mode_of(request.target_language),
        output_path=str(layout.work_dir / output_path(inference)),
        models_dir=config.models_dir,
        asr_model=config.asr_model,
        device=settings.gpu.device,
        codes_per_phone=_codes_per_phone(voice),
        readings=dictionaries.readings(layout, character.name),
        other_references=tuple(
            str(references.resolve(session, layout, character, name).path) for name in options.other_references
        ),
        seed=options.seed,
        cut_method=options.cut_method,
        speed=options.speed,
        pause_s=options.pause_s,
        batch_size=options.batch_size,
        top_k=options.top_k,
        top_p=options.top_p,
        temperature=options.temperature,
        repetition_penalty=options.repetition_penalty,
        verify_words=options.verify_words or settings.inference.verify_words,
    )


def _codes_per_phone(voice: Voice | None) -> tuple[float, float] | None:
    """Return how fast the voice speaks, as its training noted it; None for one trained before that, or elsewhere."""
    if voice is None:
        return None
    bounds = voice.metrics.get("gpt", {}).get("codes_per_phone")
    return (float(bounds[0]), float(bounds[1])) if isinstance(bounds, list) and len(bounds) == 2 else None


def _reference(
    session: Session, layout: Layout, character: Character, request: InferenceRequest
) -> references.Reference:
    """Return the reference; what the client says about its text wins over what is known."""
    if request.ref_audio is None:
        return references.best(session, layout, character)
    found = references.resolve(session, layout, character, request.ref_audio)
    if not (request.ref_text or "").strip():
        return found
    return references.Reference(found.path, request.ref_text or "", mode_of(request.ref_language or DEFAULT_LANGUAGE))


def check(request: InferenceRequest, settings: Settings) -> None:
    """Refuse texts and options that cannot be spoken.

    Raises:
        InvalidInputError: names the field.
    """
    request.options.check()
    if not request.target_text.strip():
        raise InvalidInputError("target_text: there is nothing to speak")
    limit = settings.inference.max_text_characters
    for name, text in (("target_text", request.target_text), ("ref_text", request.ref_text or "")):
        if len(text) > limit:
            raise InvalidInputError(f"{name}: {len(text)} characters are more than the limit of {limit}")
        if any("\ud800" <= each <= "\udfff" for each in text):
            raise InvalidInputError(f"{name}: it holds half of a surrogate pair, which is no character")
    for name, language in (("ref_language", request.ref_language), ("target_language", request.target_language)):
        try:
            mode_of(language or DEFAULT_LANGUAGE)
        except TextError as error:
            raise InvalidInputError(f"{name}: {error}") from error


def _character(session: Session, name: str | None) -> Character:
    if name is not None:
        return characters.get(session, name)
    character = characters.default(session)
    if character is None:
        raise NotFoundError("there is no default character yet; create one first")
    return character


def _waiting() -> Any:
    # Somebody waits for a single sentence; the hundreds of a batch come after it.
    order = (col(Inference.batch_id).is_not(None), col(Inference.created_at), col(Inference.batch_position))
    return select(Inference).where(Inference.status == Status.PENDING).order_by(*order, col(Inference.id)).limit(1)


def _end(session: Session, inference: Inference, status: Status) -> None:
    inference.status, inference.completed_at = status, now()
    session.add(inference)
    kind = "inference.finished"
    events.append(session, kind, character_id=inference.character_id, inference=inference.id, status=status.value)
