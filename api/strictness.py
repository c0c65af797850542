"""Requests are taken at their word: no other types than the described ones, no query parameters that nobody reads."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from daemon.errors import InvalidInputError

_KNOWN = "query_parameters"


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body has to have the described types; Litestar would take 0 for false and "5" for 5."""

    async def json(self) -> Any:
        """Return the body as the type that the handler declares.

        Raises:
            ValidationException: it has another shape.
        """
        raw = await super().json()
        field = self.route_handler.parsed_data_field
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, msgspec.Struct)):
            return raw
        try:
            return msgspec.convert(raw, field.annotation)
        except msgspec.ValidationError as error:
            raise ValidationException(extra=[{"message": str(error), "key": "data", "source": "body"}]) from error


def learn_parameters(application: Litestar) -> None:
    """Note which query parameters each handler reads."""
    application.state[_KNOWN] = {
        (route.path_format, method): frozenset(parameter.field_alias for parameter in model.expected_query_params)
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for method, (_, model) in route.route_handler_map.items()
    }


def refuse_unknown_parameters(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse query parameters that a handler with parameters does not read: they are misspelt.

    Raises:
        InvalidInputError: names them and the known ones.
    """
    place = (connection.scope["path_template"], connection.scope.get("method"))
    known = connection.app.state[_KNOWN].get(place)
    unknown = sorted(set(connection.query_params) - known) if known else []
    if unknown:
        raise InvalidInputError(f"{unknown[0][:100]!r}: unknown parameter; known are {', '.join(sorted(known))}")
