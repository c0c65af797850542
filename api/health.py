"""Routes for supervisors: alive, ready, figures."""

from __future__ import annotations

from typing import Annotated

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from api.observe import request_registry
from api.schemas import Answer
from daemon import health
from daemon.gauges import ServiceCollector
from daemon.world import World

UncheckedWorld = NamedDependency[World]
"""The world, whether or not its database is prepared: probes must answer then, too."""


class Alive(Answer):
    """This process answers."""

    status: str


class CheckedPart(Answer):
    """One part of the service."""

    name: str
    ready: bool
    said: str
    remedy: Annotated[str, Meta(description="what mends it; empty when it works")]


class Readiness(Answer):
    """Whether the service can do its work."""

    ready: bool
    parts: list[CheckedPart]


@get("/healthz", operation_id="showHealth", tags=("service",), sync_to_thread=False)
def healthz() -> Alive:
    """Tell that this API process answers; nothing else is looked at."""
    return Alive(status="ok")


@get(
    "/readyz",
    operation_id="showReadiness",
    tags=("service",),
    sync_to_thread=True,
    responses={503: ResponseSpec(Readiness, description="something is missing", generate_examples=False)},
)
def readyz(unchecked_world: UncheckedWorld) -> Response[Readiness]:
    """Tell whether the service can do its work, and what mends it where it cannot."""
    parts = [
        CheckedPart(name=each.name, ready=each.ready, said=each.said, remedy=each.remedy)
        for each in health.checks(unchecked_world)
    ]
    answer = Readiness(ready=all(part.ready for part in parts), parts=parts)
    return Response(answer, status_code=200 if answer.ready else 503)


@get("/metrics", operation_id="showMetrics", tags=("service",), sync_to_thread=True, media_type=MediaType.TEXT)
def metrics(unchecked_world: UncheckedWorld) -> Response[bytes]:
    """Return the figures of the service and its requests in the text format of Prometheus."""
    service = CollectorRegistry(auto_describe=False)
    service.register(ServiceCollector(unchecked_world))
    text = generate_latest(service) + generate_latest(request_registry())
    return Response(text, media_type=CONTENT_TYPE_LATEST)
