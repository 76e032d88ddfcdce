"""The course of one signal in steps: of each, how many readings, the least, the greatest, the mean, the
last. No peak is lost, however long the steps.

Where the newest of a day is, is known beforehand: minutes that are made already are read instead of readings
where the steps are of whole minutes, and what has landed a moment ago is looked for only in the days that it
is of. The answer is the same, whichever it comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from lake.reading import Outlook
from serving.answers import FRESH, table
from serving.parameters import (
    DAY_US,
    LONGEST_NAME,
    Begin,
    End,
    VehicleId,
    Window,
    invalid,
    moment_of,
)
from serving.questions import of_silver, text
from serving.shapes import Shape, statuses
from serving.site import Site, note_positions, reader

SECOND_US = 1_000_000
MINUTE_S = 60
STEP = "step"
MINUTES = "gold.signal_minute"
CHOSEN_POINTS = 1000
STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
MOST_RUNS = 8
"""Of days that come from different places: more of them, and all are read as they are now."""

POSITIONS = ("latitude", "longitude")
CLOSED_DAYS = 2
CLOSED = "private, max-age=30"
"""Of days that are over for so long: a late event still changes them, but seldom."""

COLUMNS = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("readings", pa.int64()),
        ("minimum", pa.float64()),
        ("maximum", pa.float64()),
        ("average", pa.float64()),
        ("last", pa.float64()),
        ("last_text", pa.string()),
    ]
)


class SeriesPoint(Shape):
    """One step, in which there is any reading."""

    time: str = Field(description="begin of the step")
    readings: int = Field(description="how many there are in it")
    minimum: float | None = Field(description="least number, in the unit of the series")
    maximum: float | None = Field(description="greatest number")
    average: float | None = Field(description="mean of the numbers")
    last: float | None = Field(description="the newest reading, where it is a number")
    last_text: str | None = Field(description="the newest reading, where it is a text")


class SeriesDocument(Shape):
    """The course of one signal, over all sensors of the vehicle. The time span is widened to whole steps."""

    vehicle_id: str
    signal: str
    unit: str | None = Field(description="of the catalog; null where it does not know the signal")
    step_s: int = Field(description="length of a step in seconds; steps begin at multiples of it since 1970")
    points: list[SeriesPoint]
    next_cursor: None = Field(default=None, description="a series has no pages")


@dataclass(slots=True)
class Point:
    """A step, of which several parts may come from several places."""

    begin_us: int
    readings: int
    numbers: int
    minimum: float | None
    maximum: float | None
    average: float | None
    last: float | None
    last_text: str | None

    def take(self, later: "Point") -> None:
        """The same step, with readings of a later day."""
        numbers = self.numbers + later.numbers
        if self.average is None or later.average is None:
            self.average = self.average if later.average is None else later.average
        else:
            self.average += (later.average - self.average) * (later.numbers / numbers)
        self.minimum = min((v for v in (self.minimum, later.minimum) if v is not None), default=None)
        self.maximum = max((v for v in (self.maximum, later.maximum) if v is not None), default=None)
        self.readings, self.numbers = self.readings + later.readings, numbers
        self.last, self.last_text = later.last, later.last_text


def routes(site: Site) -> APIRouter:
    """`/vehicles/{vehicle_id}/series`."""
    router = APIRouter(tags=["vehicles"])

    @router.get(
        "/vehicles/{vehicle_id:path}/series",
        response_model=SeriesDocument,
        responses=statuses(is_table=True),
        summary="The course of a signal, with its peaks",
    )
    async def series(
        request: Request,
        vehicle_id: VehicleId,
        signal: Annotated[
            str,
            Query(
                min_length=1,
                max_length=LONGEST_NAME,
                description="name in the catalog; of a signal that it does not know, the name by which the "
                "history keeps it",
            ),
        ],
        begin: Begin = None,
        end: End = None,
        step: Annotated[
            int | None,
            Query(
                ge=1,
                le=31_536_000,
                description="length of a step in seconds; default: chosen for 1000 points",
            ),
        ] = None,
    ) -> Response:
        site.require_vehicle(reader(request), vehicle_id)
        if signal in POSITIONS:
            note_positions(request, [vehicle_id])
        window = site.windows.of(begin, end, site.now_us(), default_days=1)
        step_s = step_of(site, window, step)
        points = await course(site, request, vehicle_id, signal, window, step_s)
        known = site.registry.catalog.get(signal)
        about = {
            "vehicle_id": vehicle_id,
            "signal": signal,
            "unit": known.unit if known else None,
            "step_s": step_s,
        }
        return table(request, "points", rows_of(points), more=about, cache=cache_of(site, window))

    return router


def step_of(site: Site, window: Window, asked: int | None) -> int:
    """Seconds: those asked for, or the least of the usual ones that gives at most 1000 points."""
    span_s = (window.end_us - window.begin_us) / SECOND_US
    if asked is None:
        return next((step for step in STEPS_S if span_s / step <= CHOSEN_POINTS - 1), STEPS_S[-1])
    if span_s / asked > site.settings.series_points:
        raise invalid(STEP, f"it gives more than {site.settings.series_points} points: take longer steps")
    return asked


def cache_of(site: Site, window: Window) -> str:
    """How long an answer about the window may be kept."""
    return CLOSED if window.end_us < site.now_us() - CLOSED_DAYS * DAY_US else FRESH


def widened(window: Window, step_s: int) -> Window:
    """To whole steps."""
    step_us = step_s * SECOND_US
    return Window(
        window.begin_us // step_us * step_us,
        -(-window.end_us // step_us) * step_us,
    )


async def course(
    site: Site, request: Request, vehicle_id: str, signal: str, window: Window, step_s: int
) -> list[Point]:
    """The steps in which there is any reading, in order."""
    whole = widened(window, step_s)
    outlook = await site.asking.outlook(request)
    points: list[Point] = []
    for question, days in runs(outlook, whole.days(), is_of_minutes=step_s % MINUTE_S == 0):
        asked = {
            "vehicle": vehicle_id,
            "signal": signal,
            "first": days[0],
            "last": days[-1],
            "begin": moment_of(whole.begin_us),
            "end": moment_of(whole.end_us),
            "step_us": step_s * SECOND_US,
        }
        for point in _points(await site.asking.rows(request, question, asked)):
            if points and points[-1].begin_us == point.begin_us:
                points[-1].take(point)
            else:
                points.append(point)
    return points


def runs(outlook: Outlook, days: Sequence[date], *, is_of_minutes: bool) -> Iterator[tuple[str, list[date]]]:
    """Days in a row that are read from the same place, with the question that reads them."""

    def question(day: date) -> str:
        if outlook.has_tail(day):
            return text("series_readings")
        if is_of_minutes and outlook.is_current(MINUTES, day):
            return text("series_minutes")
        return of_silver("series_readings")

    found = [(each, list(run)) for each, run in groupby(days, question)]
    yield from found if len(found) <= MOST_RUNS else [(text("series_readings"), list(days))]


def _points(rows: pa.Table) -> Iterator[Point]:
    columns = [column.to_pylist() for column in rows.columns]
    return (Point(*row) for row in zip(*columns, strict=True))


def rows_of(points: Sequence[Point]) -> pa.Table:
    """As a table."""
    columns: dict[str, list[Any]] = {
        "time": [point.begin_us for point in points],
        **{name: [getattr(point, name) for point in points] for name in COLUMNS.names[1:]},
    }
    times = pa.array(columns.pop("time"), pa.int64()).cast(COLUMNS.field("time").type)
    rest = [pa.array(values, COLUMNS.field(name).type) for name, values in columns.items()]
    return pa.Table.from_arrays([times, *rest], schema=COLUMNS)
