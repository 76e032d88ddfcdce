"""`/data`: readings of sensors that arrive over HTTP, each (sensor_id, timestamp) once, with those that
landed a moment ago."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.limits import DEFAULT_LIMITS
from serving.pages import AskedPage, Listing, moment, name
from serving.parameters import Window
from serving.shapes import Page as PageShape
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions, reader

SOURCE = "sensor"
LISTING = Listing("data", 1, (moment("timestamp", "after"), name("sensor_id", "after_sensor")))


class Location(Shape):
    """In degrees."""

    latitude: float | None
    longitude: float | None


class SensorReading(Shape):
    """One moment of one sensor; of values that contradict each other, the greatest."""

    sensor_id: str
    timestamp: str
    temperature: float | None = Field(description="°C")
    humidity: float | None = Field(description="%")
    location: Location | None = Field(description="null where the sensor does not say")


class DataPage(PageShape):
    """Readings, the oldest first."""

    data: list[SensorReading]


def routes(site: Site) -> APIRouter:
    """`/data`."""
    router = APIRouter(tags=["sensors"])

    @router.get(
        "/data",
        response_model=DataPage,
        responses=statuses(is_table=True),
        summary="Readings of sensors in a time span, oldest first",
    )
    async def data(
        request: Request,
        query: AskedPage,
        sensor_id: Annotated[
            str | None, Query(max_length=DEFAULT_LIMITS.vehicle_chars, description="only of this sensor")
        ] = None,
    ) -> Response:
        seen = site.seen(reader(request), sensor_id)
        note_positions(request, seen)
        page = LISTING.page(site, query, sensor_id=sensor_id)
        window = page.window if page.place is None else Window(page.place[0], page.window.end_us)
        contract = site.registry.contracts[SOURCE]
        asked = {
            "vehicles": None if seen is None else sorted(seen),
            "topics": [*contract.topics, *contract.former_topics],
            "first": window.first,
            "last": window.last,
            "begin": window.begin,
            "end": window.end,
        }
        return await page.table(request, "data", asked, convert=_with_location)

    return router


def _with_location(row: dict[str, Any]) -> dict[str, Any]:
    latitude, longitude = row.pop("latitude"), row.pop("longitude")
    known = latitude is not None or longitude is not None
    return {**row, "location": {"latitude": latitude, "longitude": longitude} if known else None}
