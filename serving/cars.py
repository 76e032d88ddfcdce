"""The routes that the dashboards of connected cars know: the newest snapshot of a car, the course of its
speed, and anomalies counted in windows of ten seconds."""

from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.limits import DEFAULT_LIMITS
from contracts.times import iso_text
from lake.state_model import VehicleState
from serving.anomalies import found_by
from serving.answers import document, table
from serving.parameters import Begin, Cursor, End, Limit
from serving.quality import OneSource
from serving.series import cache_of, course, rows_of, step_of
from serving.shapes import Page, Shape, statuses
from serving.site import Site, no_vehicle, note_positions, reader
from serving.vehicles import next_ids

WIRE = {
    "speed": "speed",
    "rpm": "engine_rpm",
    "engine_temp": "coolant_temperature",
    "fuel_level": "fuel_level",
    "latitude": "latitude",
    "longitude": "longitude",
}
"""Names of the dashboards, and those of the catalog."""

WINDOW_S = 10
MOST_WINDOWS = 10_000

CarId = Annotated[str, Query(min_length=1, max_length=DEFAULT_LIMITS.vehicle_chars, description="the car")]
OneCar = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=DEFAULT_LIMITS.vehicle_chars,
        description="only this car, which is then the whole answer; without it, a page of all",
    ),
]


class Snapshot(Shape):
    """What a car said last; null where it never did."""

    car_id: str
    timestamp: str = Field(description="of the newest of these values")
    speed: float | None = Field(description="km/h")
    rpm: float | None = Field(description="1/min")
    engine_temp: float | None = Field(description="°C")
    fuel_level: float | None = Field(description="%")
    latitude: float | None = Field(description="degrees")
    longitude: float | None = Field(description="degrees")


class SnapshotsPage(Page):
    """Cars in the order of their ids. A page may have fewer than were asked for, and be not the last."""

    cars: list[Snapshot]


class SpeedPoint(Shape):
    """One step."""

    timestamp: str = Field(description="begin of the step")
    speed: float | None = Field(description="mean, km/h")
    minimum: float | None = Field(description="least, km/h")
    maximum: float | None = Field(description="greatest, km/h")


class SpeedSeries(Shape):
    """The course of a car's speed, in at most 1000 points."""

    car_id: str
    unit: str
    step_s: int
    points: list[SpeedPoint]
    next_cursor: None = None


class AnomalyWindow(Shape):
    """Ten seconds in which there is any anomaly of a kind."""

    timestamp: str = Field(description="begin of the window")
    source: str
    kind: str = Field(description="such as overspeed")
    anomalies: int = Field(description="how many")
    vehicles: int = Field(description="of how many vehicles")


class AnomalySeries(Shape):
    """Anomalies over time."""

    window_s: int
    points: list[AnomalyWindow]
    next_cursor: None = None


def routes(site: Site) -> APIRouter:
    """`/latest`, `/series/speed`, `/series/anomalies`."""
    router = APIRouter(tags=["cars"])

    @router.get(
        "/latest",
        response_model=Snapshot | SnapshotsPage,
        responses=statuses(),
        summary="What a car said last, or each of them",
    )
    async def latest(
        request: Request, car_id: OneCar = None, limit: Limit = None, cursor: Cursor = None
    ) -> Response:
        seen = site.seen(reader(request), car_id)
        note_positions(request, seen)
        place = site.seal.place(f"latest?car_id={car_id!r}", cursor, [str])
        if car_id is not None:
            found = await site.asking.state(lambda: site.state.read(car_id))
            if found is None or not _is_car(found):
                raise no_vehicle()
            return document(request, _snapshot(found))
        after = None if place is None else str(place[0])
        states, last = await site.asking.state(lambda: _next_states(site, seen, after, site.limit(limit)))
        following = None if last is None else site.seal.cursor(f"latest?car_id={car_id!r}", [last])
        cars = [_snapshot(state) for state in states if _is_car(state)]
        return document(request, {"cars": cars, "next_cursor": following})

    @router.get(
        "/series/speed",
        response_model=SpeedSeries,
        responses=statuses(is_table=True),
        summary="The course of a car's speed",
    )
    async def series_speed(request: Request, car_id: CarId, begin: Begin = None, end: End = None) -> Response:
        site.require_vehicle(reader(request), car_id)
        window = site.windows.of(begin, end, site.now_us(), default_days=1)
        step_s = step_of(site, window, None)
        found = rows_of(await course(site, request, car_id, "speed", window, step_s))
        names = {"time": "timestamp", "average": "speed", "minimum": "minimum", "maximum": "maximum"}
        rows = found.select(list(names)).rename_columns(list(names.values()))
        about = {"car_id": car_id, "unit": site.registry.catalog["speed"].unit, "step_s": step_s}
        return table(request, "points", rows, more=about, cache=cache_of(site, window))

    @router.get(
        "/series/anomalies",
        response_model=AnomalySeries,
        responses=statuses(is_table=True),
        summary="Anomalies per ten seconds, the first 10,000 windows of a time span",
    )
    async def series_anomalies(
        request: Request, begin: Begin = None, end: End = None, source: OneSource = None
    ) -> Response:
        seen = site.seen(reader(request))
        window = site.windows.of(begin, end, site.now_us(), default_days=1)
        more = {"kind": None, "source": source, "rows": MOST_WINDOWS}
        rows: pa.Table = await found_by(site, request, "anomalies_windows", window, seen, more)
        return table(request, "points", rows, more={"window_s": WINDOW_S}, cache=cache_of(site, window))

    return router


def _next_states(
    site: Site, seen: frozenset[str] | None, after: str | None, rows: int
) -> tuple[list[VehicleState], str | None]:
    """Those of the next ids, and the last of these where there are more behind it."""
    if seen is None:
        states = {state.vehicle_id: state for state in site.state.page(after, rows + 1)}
        chosen = list(states)
    else:
        chosen = next_ids(seen, after, rows + 1)
        states = site.state.some(chosen)
    shown = chosen[:rows]
    last = shown[-1] if len(chosen) > rows else None
    return [states[vehicle] for vehicle in shown if vehicle in states], last


def _is_car(state: VehicleState) -> bool:
    return not state.signals.keys().isdisjoint(WIRE.values())


def _snapshot(state: VehicleState) -> dict[str, Any]:
    found = {name: state.signals.get(signal) for name, signal in WIRE.items()}
    newest = max(entry.t for entry in found.values() if entry is not None)
    values = {
        name: None if entry is None or isinstance(entry.v, str) else entry.v for name, entry in found.items()
    }
    return {"car_id": state.vehicle_id, "timestamp": iso_text(newest), **values}
