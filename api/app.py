"""The application. `app` is made from the environment when a server asks for it; `create_app` from any settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.routes import HTTPRoute

from api.access import guard_of, provide_caller
from api.audio import AudioController
from api.batch_routes import BatchController
from api.bodies import PromptBodies
from api.characters import CharacterController
from api.downloads import DownloadController
from api.errors import answer_error
from api.event_routes import EventController
from api.feed import Feed
from api.health import healthz, metrics, readyz
from api.hosts import AllowedHosts
from api.inference import InferenceController
from api.job_routes import JobController
from api.observe import Observer
from api.openai_routes import OpenAiController
from api.openapi import CompletePlugin
from api.parameters import provider_of
from api.polling import Answers
from api.root import RootController, service_version
from api.sound import Listener
from api.stopping import Stopping
from api.strictness import StrictRequest, learn_parameters
from api.training import TrainingController
from api.transcripts import TranscriptController
from api.voices import VoiceController
from daemon.database import Database
from daemon.layout import Layout
from daemon.settings import Settings, load_settings
from daemon.world import World

PREFIX = "/api/v1"
MAX_BODY_BYTES = 1_000_000
"""Every body but an upload."""
_CONTROLLERS = [
    CharacterController,
    AudioController,
    TrainingController,
    InferenceController,
    DownloadController,
    JobController,
    EventController,
    TranscriptController,
    VoiceController,
    BatchController,
]


def create_app(settings: Settings) -> Litestar:
    """Return the application over the database that the settings name. The daemon makes that database."""
    layout = Layout.of(settings)
    world = World(Database(layout.database), settings, layout)
    answers = Answers(layout.database)
    stopping = Stopping()
    feed = Feed(world.database, stopping)
    listener = Listener(world, answers, stopping)

    @asynccontextmanager
    async def living(_app: Litestar) -> AsyncIterator[None]:
        try:
            with stopping.listening():
                yield
        finally:
            feed.close()
            answers.close()
            world.database.close()

    dependencies = {
        "world": Provide(provider_of(world), sync_to_thread=False),
        "answers": Provide(lambda: answers, sync_to_thread=False),
        "caller": Provide(provide_caller, sync_to_thread=False),
        "feed": Provide(lambda: feed, sync_to_thread=False),
        "listener": Provide(lambda: listener, sync_to_thread=False),
    }
    guarded: dict[str, Any] = {"dependencies": dependencies, "guards": [guard_of(world, answers)]}
    application = Litestar(
        # Two routers rather than one around both: each level has Litestar copy every handler once more.
        route_handlers=[
            RootController,
            *_health(world, answers),
            Router(path=PREFIX, route_handlers=_CONTROLLERS, request_class=StrictRequest, **guarded),
            Router(path="/", route_handlers=[OpenAiController], **guarded),
        ],
        middleware=[
            Observer(layout.audit),
            AllowedHosts(settings.access.allowed_hosts),
            PromptBodies(settings.server.body_seconds),
        ],
        exception_handlers={HTTPException: answer_error, Exception: answer_error},
        lifespan=[living],
        openapi_config=_documents(),
        request_max_body_size=MAX_BODY_BYTES,
        debug=False,
        logging_config=None,
    )
    _name_all_methods(application)
    learn_parameters(application)
    return application


def _health(world: World, answers: Answers) -> list[Any]:
    """Return the routes for supervisors; only the figures may need a key."""
    figures = Router(path="/", route_handlers=[metrics], guards=[guard_of(world, answers)], dependencies=_plain(world))
    probes = Router(path="/", route_handlers=[healthz, readyz], dependencies=_plain(world))
    return [figures, probes]


def _plain(world: World) -> dict[str, Provide]:
    return {"unchecked_world": Provide(lambda: world, sync_to_thread=False)}


def _name_all_methods(application: Litestar) -> None:
    """Have answers to OPTIONS name all methods of an address; Litestar's know only those of its first handler."""
    for route in application.routes:
        if isinstance(route, HTTPRoute):
            others = [handler for handler in route.route_handlers if "OPTIONS" not in handler.http_methods]
            options = route.create_options_handler(route.path)
            options.owner = others[0].owner
            options.on_registration(application)
            route.route_handlers = [*others, options]
            route.route_handler_map.clear()
            route.create_handler_map()


def _documents() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="sovits-daemon",
        version=service_version(),
        description="Recordings in, a trained voice out, sentences over REST.",
        path="/schema",
        render_plugins=[CompletePlugin()],
        use_handler_docstrings=True,
    )


def __getattr__(name: str) -> Any:
    """Make `app` on first use, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    application = create_app(load_settings().settings)
    globals()["app"] = application
    return application
