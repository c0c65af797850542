"""What lies outside the versioned routes: the service itself and its documents, which need no internet access."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from litestar import Controller, HttpMethod, MediaType, Request, Response, get, route
from litestar.types import ASGIApp

from api.files import FileAnswer
from api.openapi import complete
from api.parameters import FileName
from api.schemas import ServiceInfo
from daemon.errors import NotFoundError

DISTRIBUTION = "sovits-daemon"
STATIC = Path(__file__).parent / "static"
OFFERED = frozenset(
    {"swagger-ui-bundle.js", "swagger-ui.css", "swagger-start.js", "redoc.standalone.js", "favicon-32x32.png"}
)
DAY_S = 86_400
# The bundles name addresses of their makers; nothing but this service may be asked.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/static/favicon-32x32.png">
{head}
</head>
<body>
{body}
</body>
</html>
"""


def service_version() -> str:
    """Return the installed version, `0` when run from a folder that was never installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0"


class RootController(Controller):
    """The service and its documents."""

    @get("/", operation_id="showService", tags=("service",), sync_to_thread=False)
    def service(self) -> ServiceInfo:
        """Tell what answers here."""
        return ServiceInfo(service=DISTRIBUTION, version=service_version(), docs_url="/docs")

    @get("/docs", include_in_schema=False, sync_to_thread=False)
    def swagger(self) -> Response[str]:
        """Show the documents with Swagger UI."""
        style = '<link rel="stylesheet" href="/static/swagger-ui.css">'
        head = f'{style}\n<script src="/static/swagger-ui-bundle.js"></script>'
        start = '<script src="/static/swagger-start.js"></script>'
        return _page(f"{DISTRIBUTION}: REST API", head, f'<div id="swagger"></div>\n{start}')

    @get("/redoc", include_in_schema=False, sync_to_thread=False)
    def redoc(self) -> Response[str]:
        """Show the documents with ReDoc."""
        body = '<redoc spec-url="/openapi.json"></redoc>\n<script src="/static/redoc.standalone.js"></script>'
        return _page(f"{DISTRIBUTION}: REST API", "", body)

    @get("/openapi.json", include_in_schema=False, sync_to_thread=False)
    def schema(self, request: Request[Any, Any, Any]) -> dict[str, Any]:
        """Return the OpenAPI description."""
        return complete(request.app.openapi_schema.to_schema())

    @route("/static/{filename:str}", http_method=(HttpMethod.GET, HttpMethod.HEAD), include_in_schema=False)
    async def asset(self, filename: FileName) -> ASGIApp:
        """Return a part of the documents."""
        if filename not in OFFERED:
            raise NotFoundError(f"there is no file {filename!r} here")
        return FileAnswer(STATIC / filename, filename, attachment=False, cache_control=f"public, max-age={DAY_S}")


def _page(title: str, head: str, body: str) -> Response[str]:
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    return Response(_PAGE.format(title=title, head=head, body=body), media_type=MediaType.HTML, headers=headers)
