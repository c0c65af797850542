"""Routes of events: a page of them, Server-Sent Events, a WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import anyio.abc
from anyio import to_thread
from litestar import Controller, Request, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import ASGIApp, Receive, Scope, Send

from api import feed as feeds
from api.feed import Feed, FeedDependency, Filter
from api.parameters import LARGEST_ID, CharacterFilter, Limit, WorldDependency
from api.schemas_jobs import EventInfo, EventPage
from api.strictness import refuse_unknown_parameters
from daemon import characters
from daemon.errors import InvalidInputError, ServiceError
from daemon.world import World

HEARTBEAT_S = 15.0
"""Keeps proxies from closing a quiet stream."""
HEARTBEAT = '{"kind":"heartbeat"}'
RECONNECT_MS = 2000
NOW = -1
GOING_AWAY = 1001
REFUSED = 1008
TRY_LATER = 1013

After = Annotated[
    int, QueryParameter(ge=-1, le=LARGEST_ID, description="only events behind this id; -1: from now on, or the newest")
]
JobFilter = Annotated[int, QueryParameter(ge=0, le=LARGEST_ID, description="only events of this job; 0: of all")]
KindFilter = Annotated[
    str, QueryParameter(description="only events of this kind: job.finished, or job for all about jobs")
]
STREAM = ResponseSpec(
    str,
    description="events as they happen, each with its id, its kind as name, and an EventInfo as data",
    media_type="text/event-stream",
    generate_examples=False,
)


class EventController(Controller):
    """What changes, as it changes."""

    path = "/events"
    tags = ("events",)
    guards = (refuse_unknown_parameters,)

    @get("/", operation_id="listEvents", sync_to_thread=True)
    def list_after(
        self,
        world: WorldDependency,
        after: After = NOW,
        character: CharacterFilter = "",
        job: JobFilter = 0,
        kind: KindFilter = "",
        limit: Limit = 100,
    ) -> EventPage:
        """List events in their order: those behind `after`, or else the newest."""
        wanted = _filter(world, character, job, kind)
        with world.database.read() as session:
            latest = feeds.newest_id(session)
            place = after if after != NOW else max(0, latest - limit)
            found: list[EventInfo] = []
            while len(found) < limit:
                batch = feeds.select_after(session, place, feeds.BATCH)
                found += [told.info for told in batch if wanted.wants(told)]
                if len(batch) < feeds.BATCH:
                    break
                place = batch[-1].info.event_id
        return EventPage(events=found[:limit], latest=latest)

    @get("/stream", operation_id="streamEvents", responses={200: STREAM})
    async def stream(
        self,
        request: Request[Any, Any, Any],
        world: WorldDependency,
        feed: FeedDependency,
        after: After = NOW,
        character: CharacterFilter = "",
        job: JobFilter = 0,
        kind: KindFilter = "",
    ) -> ASGIApp:
        """Follow events as Server-Sent Events, from now on or from behind `after`.

        The header Last-Event-ID, which browsers send when they connect again, wins over `after`. A comment is sent
        every 15 seconds in which nothing happens.
        """
        wanted = await to_thread.run_sync(_filter, world, character, job, kind)
        place = await _place(feed, _last_event_id(request.headers.get("last-event-id")), after)
        return _Stream(feed, wanted, place)

    @websocket("/ws")
    async def socket(
        self,
        socket: WebSocket[Any, Any, Any],
        world: WorldDependency,
        feed: FeedDependency,
        after: After = NOW,
        character: CharacterFilter = "",
        job: JobFilter = 0,
        kind: KindFilter = "",
    ) -> None:
        """Follow the same events over a WebSocket, one JSON text a message; `{"kind": "heartbeat"}` in between."""
        try:
            wanted = await to_thread.run_sync(_filter, world, character, job, kind)
        except ServiceError as error:
            await socket.accept()
            return await socket.close(REFUSED if error.status < 500 else TRY_LATER, str(error)[:120])
        place = await _place(feed, None, after)
        await socket.accept()
        async with anyio.create_task_group() as group:
            group.start_soon(_until_closed, socket, group)
            group.start_soon(_until_stopped, feed, group)
            async for told in _followed(feed, wanted, place):
                await socket.send_data(told.text.decode() if told else HEARTBEAT)
        if feed.stopping.asked:
            await socket.close(GOING_AWAY, "the service stops; connect again")
        return None


class _Stream:
    """An ASGI application that sends events until the client leaves or the service stops."""

    def __init__(self, feed: Feed, wanted: Filter, place: int) -> None:
        self._feed, self._wanted, self._place = feed, wanted, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-store",
            "x-accel-buffering": "no",  # a proxy that collects answers would hold events back
        }
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        async with anyio.create_task_group() as group:
            group.start_soon(_until_disconnected, receive, group)
            group.start_soon(_until_stopped, self._feed, group)
            await _send(send, f"retry: {RECONNECT_MS}\n\n".encode())
            async for told in _followed(self._feed, self._wanted, self._place):
                await _send(send, _block(told) if told else b": heartbeat\n\n")
        with anyio.move_on_after(1):  # a client that reads nothing must not hold the server
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _block(told: feeds.Told) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (told.info.event_id, told.info.kind.encode(), told.text)


async def _send(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})


async def _followed(feed: Feed, wanted: Filter, place: int) -> AsyncIterator[feeds.Told | None]:
    """Yield wanted events as they come, None when a heartbeat is due."""
    async with feed.follower():
        while True:
            found = await feed.after(place, HEARTBEAT_S)
            for told in found:
                if wanted.wants(told):
                    yield told
            if found:
                place = found[-1].info.event_id
            else:
                yield None


async def _until_disconnected(receive: Receive, group: anyio.abc.TaskGroup) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    group.cancel_scope.cancel()


async def _until_closed(socket: WebSocket[Any, Any, Any], group: anyio.abc.TaskGroup) -> None:
    try:
        while True:
            await socket.receive_data("text")
    except WebSocketDisconnect:
        group.cancel_scope.cancel()


async def _until_stopped(feed: Feed, group: anyio.abc.TaskGroup) -> None:
    await feed.stopping.wait()
    group.cancel_scope.cancel()


async def _place(feed: Feed, last: int | None, after: int) -> int:
    """Return where to begin; a place in the future (of another database, say) means now."""
    latest = await feed.latest()
    wanted = last if last is not None else after
    return latest if wanted == NOW else min(wanted, latest)


def _last_event_id(header: str | None) -> int | None:
    if not header:
        return None
    if not (header.isascii() and header.isdigit()):
        raise InvalidInputError("Last-Event-ID: this is no number that this service has given")
    return min(int(header[:19]), LARGEST_ID)


def _filter(world: World, character: str, job: int, kind: str) -> Filter:
    if not character:
        return Filter(job_id=job or None, kind=kind or None)
    with world.database.read() as session:
        found = characters.get(session, character)
    return Filter(found.id, found.name, job or None, kind or None)
