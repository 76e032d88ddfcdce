"""Where all vehicles are now, as GeoJSON. The fleet is read whole now and then, and in between only what was
written since, at most every `fleet_seconds`, however many ask."""

import asyncio
from functools import partial
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from contracts.problem import Kind, Problem
from lake.state_model import VehicleState
from lake.state_reader import Written, decoded
from serving.answers import ENCODER, encoded
from serving.parameters import BoundingBox, Box, Fleet, box_of
from serving.picture import SHOWN, feature, place
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions, reader

WHOLE_SECONDS = 300.0
"""A vehicle that a rebuild has left out is gone after this long."""


class Point(Shape):
    """`[longitude, latitude]` in degrees."""

    type: Literal["Point"]
    coordinates: tuple[float, float]


class FleetProperties(Shape):
    """What is shown beside a vehicle; null where unknown."""

    vehicle_id: str
    fleet: str | None
    time: str = Field(description="newest effective time of its place and of these values")
    speed: float | None = Field(description="km/h")
    soc: float | None = Field(description="state of charge, %")
    ignition: bool | None
    charge_state: str | None = Field(
        description="disconnected, no_power, starting, charging, stopped or complete"
    )


class FleetFeature(Shape):
    """One vehicle."""

    type: Literal["Feature"]
    geometry: Point | None = Field(description="null where its place is not known")
    properties: FleetProperties


class FleetCollection(Shape):
    """The vehicles of which a place or one of these values is known; with a bounding box, those within it."""

    type: Literal["FeatureCollection"]
    features: list[FleetFeature]


class Fleets:
    """The states of all vehicles, as MongoDB has told them a moment ago: of each, what is shown."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._asking = asyncio.Lock()
        self._known: dict[str, VehicleState] = {}
        self._newest_us = 0
        self._whole_at = self._asked_at = float("-inf")

    async def states(self) -> list[VehicleState]:
        """No older than the settings allow; who comes meanwhile waits for the same answer."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now - self._asked_at >= self._site.settings.fleet_seconds:
                await self._site.asking.state(partial(self._renew, now))
                self._asked_at = now
            return list(self._known.values())

    def _renew(self, now: float) -> None:
        """What was written since, unless that is too much, or the last whole reading too long ago."""
        reader, settings = self._site.state, self._site.settings
        if now - self._whole_at < WHOLE_SECONDS:
            after_us = self._newest_us - settings.stream_overlap_ms * 1000
            written = reader.changed(after_us, settings.stream_burst)
            if len(written) < settings.stream_burst:
                self._take(written)
                return
        reader.ensure_index()
        newest_us = reader.newest_us()
        self._known = {state.vehicle_id: state for state in reader.every(SHOWN)}
        self._newest_us = min(newest_us, self._site.now_us())
        self._whole_at = now

    def _take(self, written: list[Written]) -> None:
        newest_us = self._newest_us
        for document in written:
            state = decoded(document, SHOWN)
            if state is not None:
                self._known[state.vehicle_id] = state
                newest_us = max(newest_us, state.written_us)
        self._newest_us = min(newest_us, self._site.now_us())


def routes(site: Site) -> APIRouter:
    """`/fleet/latest`."""
    router = APIRouter(tags=["fleet"])
    fleets = Fleets(site)

    @router.get(
        "/fleet/latest",
        response_model=FleetCollection,
        responses=statuses(),
        summary="Where the vehicles are now, as GeoJSON",
    )
    async def fleet_latest(request: Request, bbox: BoundingBox = None, fleet: Fleet = None) -> Response:
        seen = site.seen(reader(request), fleet=fleet)
        note_positions(request, seen)
        box = None if bbox is None else box_of(bbox)
        states = await fleets.states()
        return encoded(request, await asyncio.to_thread(_collection, site, states, seen, box))

    return router


def _collection(
    site: Site, states: list[VehicleState], seen: frozenset[str] | None, box: Box | None
) -> bytes:
    features = []
    for state in states:
        at = place(state.signals)
        is_inside = box is None or (at is not None and box.has(*at))
        if state.signals and is_inside and (seen is None or state.vehicle_id in seen):
            features.append(feature(state, site.vehicles.fleet(state.vehicle_id), at))
    if len(features) > site.settings.fleet_vehicles:
        most = site.settings.fleet_vehicles
        raise Problem(Kind.INVALID_REQUEST, f"more than {most} vehicles: ask for a smaller bbox")
    return ENCODER.encode({"type": "FeatureCollection", "features": features})
