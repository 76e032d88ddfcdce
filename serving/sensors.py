"""`/data`: readings of sensors that arrive over HTTP, each (sensor_id, timestamp) once, with those that
landed a moment ago."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.limits import DEFAULT_LIMITS
from serving.answers import table
from serving.pages import Page
from serving.parameters import Begin, Cursor, End, Limit, Window, microseconds, moment_of
from serving.questions import text
from serving.shapes import Page as PageShape
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions, reader

SOURCE = "sensor"
DEFAULT_DAYS = 1


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
        sensor_id: Annotated[
            str | None, Query(max_length=DEFAULT_LIMITS.vehicle_chars, description="only of this sensor")
        ] = None,
        begin: Begin = None,
        end: End = None,
        limit: Limit = None,
        cursor: Cursor = None,
    ) -> Response:
        seen = site.seen(reader(request), sensor_id)
        note_positions(request, seen)
        page = Page.asked(
            site,
            f"data?sensor_id={sensor_id!r}",
            (begin, end),
            limit=limit,
            cursor=cursor,
            kinds=[int, str],
            default_days=DEFAULT_DAYS,
        )
        after = page.after or (None, None)
        window = page.window if after[0] is None else Window(after[0], page.window.end_us)
        contract = site.registry.contracts[SOURCE]
        asked = {
            "vehicles": None if seen is None else sorted(seen),
            "topics": [*contract.topics, *contract.former_topics],
            "first": window.first,
            "last": window.last,
            "begin": window.begin,
            "end": window.end,
            "after": None if after[0] is None else moment_of(after[0]),
            "after_sensor": after[1],
            "rows": page.rows + 1,
        }
        found = await site.asking.rows(request, text("data"), asked)
        shown, following = page.cut(found, lambda row: [microseconds(row["timestamp"]), row["sensor_id"]])
        return table(request, "data", shown, next_cursor=following, convert=_with_location)

    return router


def _with_location(row: dict[str, Any]) -> dict[str, Any]:
    latitude, longitude = row.pop("latitude"), row.pop("longitude")
    known = latitude is not None or longitude is not None
    return {**row, "location": {"latitude": latitude, "longitude": longitude} if known else None}
