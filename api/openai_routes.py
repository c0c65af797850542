"""Routes in the shape of the public speech API, so that programs written for it work unchanged."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

import anyio
from anyio import to_thread
from litestar import Controller, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter
from litestar.response import Stream
from sqlmodel import col, select

from api.access import SPEAKERS, CallerDependency
from api.openai_schemas import Model, ModelList, SpeechBody, SpeechVoice, SpeechVoiceList, StreamFormat
from api.parameters import WorldDependency
from api.sound import ListenerDependency, begun, stream
from daemon import characters, inferences
from daemon.errors import NotFoundError
from daemon.inferences import InferenceRequest
from daemon.keys import Caller, Scope
from daemon.speech_options import SpeechOptions
from daemon.tables import Character, Inference, Voice
from daemon.world import World

PREFIX = "/v1"
DEFAULT_VOICE = "default"
MODELS = ("gpt-sovits", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""The first is ours; the others are what programs written for the public API ask for, and mean the same."""
OWNER = "sovits-daemon"
LANGUAGE = "多语种混合"
"""The public API names no language, so it is found out for each part of the text."""
SOUND = ResponseSpec(bytes, description="the sound, or events with it", media_type="audio/*", generate_examples=False)
ModelId = Annotated[str, PathParameter(description="id of a model")]


class OpenAiController(Controller):
    """Speaking, models, voices."""

    path = PREFIX
    tags = ("openai",)

    @post("/audio/speech", operation_id="createSpeech", status_code=200, scope=Scope.SPEAK, responses={200: SOUND})
    async def speech(
        self,
        world: WorldDependency,
        listener: ListenerDependency,
        caller: CallerDependency,
        data: JSONBody[SpeechBody],
    ) -> Stream:
        """Speak a text; the sound comes as it is made."""
        _require_model(data.model)
        row = await to_thread.run_sync(partial(_queue, world, caller, data))
        try:
            blocks = await begun(stream(listener, row.id, data.response_format))
        except BaseException:
            await _give_up(world, row.id)
            raise
        heard = _until_left(world, row.id, blocks)
        headers = {"cache-control": "no-store", "x-inference-id": row.id}
        if data.stream_format is StreamFormat.SSE:
            return Stream(_events(heard, len(data.input)), media_type="text/event-stream", headers=headers)
        return Stream(heard, media_type=data.response_format.media_type, headers=headers)

    @get("/models", operation_id="listModels", sync_to_thread=False, scope=SPEAKERS)
    def models(self) -> ModelList:
        """List the models."""
        return ModelList(data=[_model(name) for name in MODELS])

    @get("/models/{model_id:str}", operation_id="showModel", sync_to_thread=False, scope=SPEAKERS)
    def model(self, model_id: ModelId) -> Model:
        """Show one model."""
        _require_model(model_id)
        return _model(model_id)

    @get("/audio/voices", operation_id="listSpeechVoices", sync_to_thread=True, scope=SPEAKERS)
    def voices(self, world: WorldDependency) -> SpeechVoiceList:
        """List the characters that can speak."""
        query = select(Character).where(col(Character.id).in_(select(Voice.character_id).where(col(Voice.active))))
        with world.database.read() as session:
            rows = session.exec(query.order_by(col(Character.name))).all()
        found = [SpeechVoice(id=row.name, name=row.name, created_at=int(row.created_at.timestamp())) for row in rows]
        return SpeechVoiceList(data=found)


def _model(name: str) -> Model:
    return Model(id=name, created=0, owned_by=OWNER)


def _require_model(name: str) -> None:
    if name not in MODELS:
        raise NotFoundError(f"The model {name!r} does not exist; there is {', '.join(MODELS)}")


def _queue(world: World, caller: Caller, data: SpeechBody) -> Inference:
    name = data.voice_id
    if name == DEFAULT_VOICE:
        with world.database.read() as session:
            known = characters.default(session)
            name = known.name if known is not None else name
    request = InferenceRequest(
        target_text=data.input,
        character_name=name,
        target_language=LANGUAGE,
        options=SpeechOptions(speed=data.speed),
    )
    return inferences.create(world.database, world.settings, world.layout, request, caller)


async def _until_left(world: World, inference_id: str, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the sound; a listener that goes away early need not be spoken to any more."""
    complete = False
    try:
        async for block in blocks:
            yield block
        complete = True
    finally:
        if not complete:
            await _give_up(world, inference_id)


async def _give_up(world: World, inference_id: str) -> None:
    with anyio.CancelScope(shield=True):
        await to_thread.run_sync(inferences.cancel, world.database, inference_id)


async def _events(blocks: AsyncIterator[bytes], characters_in: int) -> AsyncIterator[str]:
    """Yield the sound as Server-Sent Events; usage counts characters in and bytes out, as there are no tokens."""
    sent = 0
    async for block in blocks:
        sent += len(block)
        yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(block).decode()})
    usage = {"input_tokens": characters_in, "output_tokens": sent, "total_tokens": characters_in + sent}
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(data: dict[str, object]) -> str:
    return f"data: {json.dumps(data)}\n\n"
