"""The drives of a vehicle, newest first, and one of them with its way."""

from datetime import datetime
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, create_model

from contracts.limits import DEFAULT_LIMITS
from contracts.problem import Kind, Problem
from serving.answers import document, records
from serving.marks import TripKey, trip_id, trip_key
from serving.pages import AskedPage, Listing, moment
from serving.parameters import VehicleId, microseconds, moment_of
from serving.questions import text
from serving.shapes import Shape, page_shape, row_shape, statuses
from serving.site import Site, note_positions, reader

TRIPS = "gold.trips"
LISTING = Listing("trips", 30, (moment("start_time", "after"),))
TRACK_POINTS = 5000
"""Places of a track, at most, evenly chosen: a day at 1 Hz would be 86,400."""

LONGEST_ID = 16 + 2 * 4 * DEFAULT_LIMITS.vehicle_chars


class LineString(Shape):
    """The way: `[longitude, latitude]` in degrees."""

    type: str = Field(description="LineString")
    coordinates: list[tuple[float, float]]


def routes(site: Site) -> APIRouter:
    """`/vehicles/{vehicle_id}/trips` and `/trips/{trip_id}`."""
    router = APIRouter(tags=["trips"])
    identity = (str, Field(description="of this trip, for `/trips/{trip_id}`"))
    trip = row_shape("Trip", site.marts[TRIPS], trip_id=identity)
    track = create_model(
        "TripWithTimes",
        __base__=trip,
        times=(list[datetime], Field(description="when it was at each place of the line")),
    )
    feature = create_model(
        "TripFeature",
        __base__=Shape,
        type=(str, Field(description="Feature")),
        geometry=(LineString | None, Field(description="null where fewer than two places are known")),
        properties=(track, Field(description="the trip")),
    )

    @router.get(
        "/vehicles/{vehicle_id:path}/trips",
        response_model=page_shape("TripsPage", LISTING.member, trip),
        responses=statuses(is_table=True),
        summary="Drives that begin in a time span, newest first",
    )
    async def trips(request: Request, vehicle_id: VehicleId, query: AskedPage) -> Response:
        site.require_vehicle(reader(request), vehicle_id)
        note_positions(request, [vehicle_id])
        page = LISTING.page(site, query, vehicle=vehicle_id)
        asked = {
            "vehicle": vehicle_id,
            "first": page.window.first,
            "last": page.window.last,
            "begin": page.window.begin,
            "end": page.window.end,
        }
        return await page.table(request, "trips", asked, change=_named)

    @router.get(
        "/trips/{trip_id}",
        response_model=feature,
        responses=statuses(),
        summary="One drive, with its way as GeoJSON",
    )
    async def one_trip(
        request: Request,
        trip_id: Annotated[
            str, Path(min_length=1, max_length=LONGEST_ID, description="from a list of trips")
        ],
    ) -> Response:
        principal = reader(request)
        key = trip_key(trip_id)
        if key is None or not _is_possible(key) or not site.vehicles.may_see(principal, key.vehicle_id):
            raise _no_trip()
        note_positions(request, [key.vehicle_id])
        start = moment_of(key.start_us)
        asked = {"vehicle": key.vehicle_id, "day": start.date(), "start": start}
        found = await site.asking.rows(request, text("trip"), asked)
        if not len(found):
            raise _no_trip()
        (row,) = records(_named(found.slice(0, 1)))
        return document(request, await _feature(site, request, row))

    return router


def _is_possible(key: TripKey) -> bool:
    return DEFAULT_LIMITS.earliest_us <= key.start_us < DEFAULT_LIMITS.latest_us


def _no_trip() -> Problem:
    return Problem(
        Kind.NOT_FOUND, "there is no such trip: trips are told anew when late readings change them"
    )


def _named(rows: pa.Table) -> pa.Table:
    """With their ids, which come first."""
    keys = zip(rows["vehicle_id"].to_pylist(), rows["start_time"].to_pylist(), strict=True)
    ids = [trip_id(TripKey(vehicle, microseconds(start))) for vehicle, start in keys]
    return rows.add_column(0, pa.field("trip_id", pa.string()), pa.array(ids, pa.string()))


async def _feature(site: Site, request: Request, trip: dict[str, Any]) -> dict[str, Any]:
    asked = {
        "vehicle": trip["vehicle_id"],
        "first": trip["start_time"].date(),
        "last": trip["end_time"].date(),
        "start": trip["start_time"],
        "end": trip["end_time"],
        "points": TRACK_POINTS,
    }
    places = records(await site.asking.rows(request, text("track"), asked))
    line = [(each["longitude"], each["latitude"]) for each in places]
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": line} if len(line) > 1 else None,
        "properties": {**trip, "times": [each["time"] for each in places]},
    }
