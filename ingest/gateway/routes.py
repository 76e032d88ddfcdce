"""The gateway's routes: HTTP to a request of the gateway, and its answer to HTTP."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from contracts.access import Vehicles
from contracts.problem import Kind, Problem
from ingest.gateway.gateway import Gateway
from ingest.gateway.openapi import operation, responses
from ingest.gateway.request import asked

REPLAYED = "Idempotency-Replayed"


class Direct(APIRoute):
    """Gives its endpoint the request and nothing else: what FastAPI would read of it is read by `asked`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def add_routes(app: FastAPI, gateway: Gateway, vehicles: Vehicles) -> None:
    """`POST /ingest` and `POST /ingest/{source}`, on the application itself: a router costs each request."""
    app.router.route_class = Direct

    async def answered(request: Request, source: str | None) -> Response:
        limit = gateway.settings.max_unpacked_bytes
        given, is_replay = await gateway.take(await asked(request, limit, gateway.sources, source), vehicles)
        headers = {REPLAYED: "true"} if is_replay else None
        return Response(given.body, given.status, headers, "application/json")

    @app.post(
        "/ingest",
        summary="Take events of any source",
        description="One event, or an array of events, each of the source that `source` names, or that its "
        "shape tells. Answered when Kafka has acknowledged all of them.",
        response_class=Response,
        status_code=202,
        responses=responses(has_path=False),
        openapi_extra=operation(gateway.sources, has_path=False),
    )
    async def ingest(request: Request) -> Response:
        return await answered(request, None)

    @app.post(
        "/ingest/{source}",
        summary="Take events of one source",
        description="One event, or an array of events, of the source that the path names.",
        response_class=Response,
        status_code=202,
        responses=responses(has_path=True),
        openapi_extra=operation(gateway.sources, has_path=True),
    )
    async def ingest_source(request: Request) -> Response:
        source = request.path_params["source"]
        if source not in gateway.sources:
            raise Problem(Kind.NOT_FOUND, f"there is no source {source:.100}")
        return await answered(request, source)
