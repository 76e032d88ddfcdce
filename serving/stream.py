"""`/stream`: state changes as server-sent events. A client that was cut off goes on behind the last event
that it has, at any process; one that takes nothing is disconnected."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from contracts.problem import Kind, Problem
from serving.answers import chosen_type
from serving.changes import RESET, Changes, Client
from serving.parameters import Fleet, OneVehicle
from serving.shapes import statuses
from serving.site import Site, note_positions, reader

EVENTS = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Not to be kept, nor collected by a proxy until there is enough of it."""

EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "to go on from, by `Last-Event-ID`"},
        "event": {"type": "string", "enum": ["state", "reset"]},
        "data": {"type": "string", "description": "a JSON object"},
    },
}
"""One event, as the OpenAPI document has it."""

FIRST = b"retry: 1000\n: changes of state follow\n\n"
NOT_A_NUMBER = -1


class EventStream(Response):
    """Writes what a client gets until it leaves, is told that it is over, or takes nothing any more."""

    media_type = EVENTS

    def __init__(self, client: Client, changes: Changes, first: bytes, site: Site) -> None:
        super().__init__(headers=HEADERS, media_type=EVENTS)
        del self.headers["content-length"]
        self._client, self._changes, self._first = client, changes, first
        self._heartbeat = site.settings.stream_heartbeat_seconds
        self._patience = site.settings.stream_send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait([writing, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._changes.leave(self._client)
            for task in (writing, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError, TimeoutError, OSError):
                    await task

    async def _write(self, send: Send) -> None:
        await self._sent(send, {"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._body(send, self._first)
        while not self._client.is_over:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._client.something.wait(), self._heartbeat)
            await self._body(
                send, self._client.take() or b": still here\nid: %d\n\n" % self._changes.looked_us
            )
        await self._sent(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _body(self, send: Send, body: bytes) -> None:
        if body:
            await self._sent(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _sent(self, send: Send, message: dict[str, Any]) -> None:
        """TimeoutError where the connection takes nothing."""
        await asyncio.wait_for(send(message), self._patience)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def routes(site: Site, changes: Changes) -> APIRouter:
    """`/stream`."""
    router = APIRouter(tags=["fleet"])

    @router.get(
        "/stream",
        response_class=Response,
        responses={
            **statuses(),
            200: {
                "description": "events `state`, each with an `id` to go on from, and all that is known of "
                "one vehicle: vehicle_id, fleet, time, latitude and longitude (degrees), speed (km/h), "
                "soc (%), ignition, charge_state, signals {name: {value, time}}. An event `reset` means: "
                "fetch anew what you show",
                "content": {EVENTS: {"schema": EVENT}},
            },
        },
        summary="Changes of state, as they happen",
    )
    async def stream(
        request: Request,
        vehicle: OneVehicle = None,
        fleet: Fleet = None,
        last_event_id: Annotated[
            str | None, Header(max_length=64, description="`id` of the last event that you have")
        ] = None,
    ) -> Response:
        seen = site.seen(reader(request), vehicle, fleet)
        chosen_type(request, (EVENTS,))
        note_positions(request, seen)
        if len(changes) >= site.settings.max_stream_clients:
            raise Problem(
                Kind.UNAVAILABLE, "too many clients listen here: try again", headers={"Retry-After": "10"}
            )
        client = Client(_wants(seen), site.settings.stream_burst)
        await changes.join(client)
        try:
            missed = await _missed(site, changes, client, last_event_id)
        except BaseException:
            changes.leave(client)
            raise
        return EventStream(client, changes, FIRST + missed, site)

    return router


def _wants(seen: frozenset[str] | None) -> Callable[[str], bool]:
    return (lambda vehicle: True) if seen is None else seen.__contains__


async def _missed(site: Site, changes: Changes, client: Client, last_event_id: str | None) -> bytes:
    """What came behind an event, or a `reset` where it is too long ago, or no event of ours."""
    if not last_event_id:
        return b""
    after_us = int(last_event_id) if last_event_id.isdecimal() else NOT_A_NUMBER
    oldest_us = site.now_us() - int(site.settings.stream_resume_seconds * 1_000_000)
    if not oldest_us <= after_us < 2**62:
        return RESET
    found = await changes.since(after_us, client.wants)
    if found is None:
        return RESET
    for vehicle, event in found:
        client.offer(vehicle, event)
    return b""
