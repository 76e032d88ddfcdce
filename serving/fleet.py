"""Where all vehicles are now, as GeoJSON. The fleet is read at most every `fleet_seconds`, however many
ask."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from contracts.problem import Kind, Problem
from lake.state_model import VehicleState
from serving.answers import ENCODER, encoded
from serving.parameters import BoundingBox, Box, Fleet, box_of
from serving.picture import SHOWN, feature, place
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions, reader


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
    """The states of all vehicles, as one question has told them a moment ago."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._asking = asyncio.Lock()
        self._found: list[VehicleState] = []
        self._asked_at = float("-inf")

    async def states(self) -> list[VehicleState]:
        """No older than the settings allow; who comes meanwhile waits for the same answer."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now - self._asked_at >= self._site.settings.fleet_seconds:
                self._found = await self._site.asking.state(lambda: self._site.state.every(SHOWN))
                self._asked_at = now
            return self._found


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
