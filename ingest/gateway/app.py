"""The gateway as a FastAPI application: routes and their document. Who may ask, limits and headers are the
shell's, which stands around it and puts the principal into the request's state."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from contracts.access import Vehicles
from ingest.gateway.gateway import Gateway
from ingest.gateway.openapi import DESCRIPTION
from ingest.gateway.routes import add_routes

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""The shell counts and logs every request."""

API_VERSION = "1"
"""Raised when a client would have to change."""


def gateway_app(gateway: Gateway, *, vehicles: Vehicles, exception_handlers: Mapping[Any, Any]) -> FastAPI:
    """An application over a gateway that is open for as long as it serves."""
    app = FastAPI(
        title="Fleetlake gateway",
        summary="Vehicle events in, acknowledged by Kafka",
        description=DESCRIPTION,
        version=API_VERSION,
        exception_handlers=dict(exception_handlers),
        docs_url=None,  # those pages load scripts from the internet
        redoc_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    add_routes(app, gateway, vehicles)
    return app
