"""What clients may ask by: each parameter once, with its bound and its text for the OpenAPI document. A
value is text until it is read here; what cannot be read is refused by its name."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Path, Query

from contracts.limits import DEFAULT_LIMITS
from contracts.problem import Kind, Problem
from contracts.times import iso_text, read_time
from serving.cursor import LONGEST

DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FROM, BBOX = "from", "bbox"
LONGEST_NAME = 3 * DEFAULT_LIMITS.name_chars
"""A signal's name may be percent-encoded, byte by byte."""

VehicleId = Annotated[
    str, Path(min_length=1, max_length=DEFAULT_LIMITS.vehicle_chars, description="the vehicle's id")
]
OneVehicle = Annotated[
    str | None,
    Query(max_length=DEFAULT_LIMITS.vehicle_chars, description="only this vehicle"),
]
Fleet = Annotated[str | None, Query(max_length=256, description="only vehicles of this fleet")]
Begin = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=40,
        description="begin, included: ISO 8601 with a zone, such as 2026-03-10T12:00:00Z",
        json_schema_extra={"format": "date-time"},
    ),
]
End = Annotated[
    str | None,
    Query(
        alias="to",
        max_length=40,
        description="end, not included; default: now",
        json_schema_extra={"format": "date-time"},
    ),
]
Limit = Annotated[int | None, Query(ge=1, le=1000, description="rows of the page")]
Cursor = Annotated[str | None, Query(max_length=LONGEST, description="`next_cursor` of the page before")]


class Window(NamedTuple):
    """From a moment to before another, in microseconds since the epoch."""

    begin_us: int
    end_us: int

    @property
    def begin(self) -> datetime:
        return moment_of(self.begin_us)

    @property
    def end(self) -> datetime:
        return moment_of(self.end_us)

    @property
    def first(self) -> date:
        """Its first day, in UTC."""
        return self.begin.date()

    @property
    def last(self) -> date:
        """Its last day."""
        return moment_of(self.end_us - 1).date()

    def days(self) -> list[date]:
        """Every day that it touches."""
        count = (self.last - self.first).days + 1
        return [self.first + timedelta(days=number) for number in range(count)]


@dataclass(frozen=True, slots=True)
class Windows:
    """How windows are chosen where a request leaves something out."""

    longest_days: int

    def of(self, begin: str | None, end: str | None, now_us: int, *, default_days: float) -> Window:
        """Raises an `invalid-request` Problem for what is no time, or no time span."""
        end_us = now_us if end is None else time_of("to", end)
        begin_us = end_us - int(default_days * DAY_US) if begin is None else time_of(FROM, begin)
        if begin_us >= end_us:
            raise invalid(FROM, f"it must be before {iso_text(end_us)}, where the time span ends")
        if end_us - begin_us > self.longest_days * DAY_US:
            raise invalid(FROM, f"the time span may have {self.longest_days} days: ask for parts of it")
        return Window(begin_us, end_us)


def time_of(name: str, text: str) -> int:
    """Microseconds since the epoch. A blank before the offset is a `+` that was not percent-encoded."""
    found = read_time(_with_plus(text), ("iso",), None)
    if found is None:
        raise invalid(name, "it must be ISO 8601 with a zone, such as 2026-03-10T12:00:00Z")
    if not DEFAULT_LIMITS.earliest_us <= found < DEFAULT_LIMITS.latest_us:
        raise invalid(name, "it must be between the years 2000 and 2262")
    return found


def _with_plus(text: str) -> str:
    before, blank, offset = text.rpartition(" ")
    return f"{before}+{offset}" if blank and "T" in before else text


def moment_of(time_us: int) -> datetime:
    """As a datetime in UTC."""
    return EPOCH + timedelta(microseconds=time_us)


def microseconds(moment: datetime) -> int:
    """Since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def invalid(name: str, problem: str, place: str = "query") -> Problem:
    """A parameter is not what it must be."""
    return Problem(
        Kind.INVALID_REQUEST,
        f"the parameter {name} is not understood: {problem}",
        errors=[{"in": place, "name": name, "problem": problem}],
    )


class Box(NamedTuple):
    """A part of the map, in degrees; one whose west is east of its east lies across the date line."""

    west: float
    south: float
    east: float
    north: float

    def has(self, longitude: float, latitude: float) -> bool:
        """Whether a place lies in it; its edges are part of it."""
        if not self.south <= latitude <= self.north:
            return False
        if self.west <= self.east:
            return self.west <= longitude <= self.east
        return longitude >= self.west or longitude <= self.east


BoundingBox = Annotated[
    str | None,
    Query(
        max_length=100,
        description="only what lies within west,south,east,north, in degrees; a west that is greater than "
        "the east crosses the date line",
        examples=["-10.5,30,3,45.25"],
    ),
]


def box_of(text: str) -> Box:
    """Raises an `invalid-request` Problem."""
    expected = "it must be four numbers, west,south,east,north, in degrees, the south not above the north"
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise invalid(BBOX, expected) from None
    box = Box(west, south, east, north)
    is_on_earth = all(-180 <= each <= 180 for each in (west, east)) and -90 <= south <= north <= 90
    if not is_on_earth:
        raise invalid(BBOX, expected)
    return box
