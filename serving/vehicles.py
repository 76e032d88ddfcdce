"""Which vehicles there are, and the state of one: now, from MongoDB, or at a moment, from the history, by
the same order of readings."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.access import Principal
from contracts.problem import Kind, Problem
from contracts.times import iso_text
from lake.state_model import Entry, VehicleState
from serving.answers import document
from serving.cursor import Place
from serving.lookups import LookUps
from serving.parameters import Cursor, Fleet, Limit, VehicleId, time_of
from serving.shapes import Page, Shape, statuses
from serving.site import Site, no_vehicle, note_positions, reader
from serving.state_at import rows_at


class VehicleRow(Shape):
    """One vehicle: registered, or seen, or both."""

    vehicle_id: str
    fleet: str | None = Field(description="by the vehicle registry")
    model: str | None = Field(description="by the vehicle registry")
    last_time: str | None = Field(description="newest effective time of its state; null where it has none")


class VehiclesPage(Page):
    """Vehicles in the order of their ids."""

    vehicles: list[VehicleRow]


class SignalRow(Shape):
    """The value of one signal, and the Kafka message that it came by."""

    signal: str = Field(description="name in the catalog")
    sensor: str | None = Field(description="where the contract keeps sensors apart")
    value: float | str = Field(description="in the unit given")
    unit: str = Field(description="of the catalog; empty where it has none")
    time: str = Field(description="since when it holds: the effective time")
    topic: str
    partition: int
    offset: int


class StateDocument(Shape):
    """All that is known of one vehicle."""

    vehicle_id: str
    fleet: str | None
    at: str | None = Field(description="the moment asked for; null for now")
    last_time: str | None = Field(description="newest effective time among the signals")
    signals: list[SignalRow]


def routes(site: Site) -> APIRouter:
    """`/vehicles` and `/vehicles/{vehicle_id}/state`."""
    router = APIRouter(tags=["vehicles"])
    look_ups = LookUps(site.state, site.asking)

    @router.get(
        "/vehicles", response_model=VehiclesPage, responses=statuses(), summary="Which vehicles there are"
    )
    async def vehicles(
        request: Request, fleet: Fleet = None, limit: Limit = None, cursor: Cursor = None
    ) -> Response:
        principal = reader(request)
        listing = f"vehicles?fleet={fleet!r}"
        place = site.seal.place(listing, cursor, [str])
        after, rows = None if place is None else str(place[0]), site.limit(limit)
        found = await site.asking.state(lambda: _page(site, principal, fleet, after, rows + 1))
        shown, has_more = found[:rows], len(found) > rows
        last: Place = [shown[-1]["vehicle_id"]] if shown else []
        following = site.seal.cursor(listing, last) if has_more else None
        return document(request, {"vehicles": shown, "next_cursor": following})

    @router.get(
        "/vehicles/{vehicle_id:path}/state",
        response_model=StateDocument,
        responses=statuses(),
        summary="The state of a vehicle, now or at a moment",
    )
    async def state(
        request: Request,
        vehicle_id: VehicleId,
        at: Annotated[
            str | None,
            Query(
                max_length=40,
                description="a moment, ISO 8601 with a zone: the state as the history has it",
                json_schema_extra={"format": "date-time"},
            ),
        ] = None,
    ) -> Response:
        site.require_vehicle(reader(request), vehicle_id)
        note_positions(request, [vehicle_id])
        if at is not None:
            return document(request, await _at(site, look_ups, request, vehicle_id, time_of("at", at)))
        found = await look_ups.state(vehicle_id)
        if found is None:
            raise no_vehicle()
        return document(request, _now(site, found))

    return router


def _page(
    site: Site, principal: Principal, fleet: str | None, after: str | None, rows: int
) -> list[dict[str, Any]]:
    """The next vehicles: of those that may be seen where they are few, else of all that have a state or are
    registered."""
    seen = site.seen(principal, fleet=fleet)
    found: Mapping[str, VehicleState]
    if seen is None:
        found = {each.vehicle_id: each for each in site.state.page(after, rows)}
        chosen = next_ids({*found, *site.models}, after, rows)
    else:
        chosen = next_ids(seen, after, rows)
        found = site.state.read_many(chosen)
    return [
        {
            "vehicle_id": vehicle,
            "fleet": site.vehicles.fleet(vehicle),
            "model": site.models.get(vehicle),
            "last_time": last_time(found[vehicle]) if vehicle in found else None,
        }
        for vehicle in chosen
    ]


def next_ids(vehicles: Iterable[str], after: str | None, rows: int) -> list[str]:
    """In the order in which MongoDB has them: that of the bytes."""
    beyond = None if after is None else after.encode()
    return sorted((each for each in vehicles if beyond is None or each.encode() > beyond), key=str.encode)[
        :rows
    ]


def last_time(state: VehicleState) -> str | None:
    """The newest effective time of a state."""
    return iso_text(max(entry.t for entry in state.signals.values())) if state.signals else None


def _now(site: Site, found: VehicleState) -> dict[str, Any]:
    signals = [_signal(site, key, entry) for key, entry in sorted(found.signals.items())]
    return _document(site, found.vehicle_id, None, signals, last_time(found))


def _document(
    site: Site, vehicle_id: str, at: str | None, signals: list[dict[str, Any]], newest: str | None
) -> dict[str, Any]:
    return {
        "vehicle_id": vehicle_id,
        "fleet": site.vehicles.fleet(vehicle_id),
        "at": at,
        "last_time": newest,
        "signals": signals,
    }


def _signal(site: Site, key: str, entry: Entry) -> dict[str, Any]:
    signal, mark, sensor = key.partition("@")
    topic, _, partition = entry.p.rpartition("/")
    known = site.registry.catalog.get(signal)
    return {
        "signal": signal,
        "sensor": unquote(sensor) if mark else None,
        "value": entry.v,
        "unit": known.unit if known else "",
        "time": iso_text(entry.t),
        "topic": topic,
        "partition": int(partition),
        "offset": entry.o,
    }


def _nothing_by(at_us: int) -> Problem:
    """The same for a vehicle that was heard of later and for one that never was: who gets it may see both."""
    return Problem(
        Kind.NOT_FOUND, f"nothing is known of this vehicle by {iso_text(at_us)}: it said nothing before then"
    )


async def _at(site: Site, look_ups: LookUps, request: Request, vehicle_id: str, at_us: int) -> dict[str, Any]:
    found = await rows_at(site, look_ups, request, vehicle_id, at_us)
    if not found:
        raise _nothing_by(at_us)
    newest = max(row["time"] for row in found)
    signals = []
    for row in found:
        number, said = row.pop("number"), row.pop("text")
        unit = site.registry.catalog[row["signal"]].unit
        signals.append({**row, "value": number if said is None else said, "unit": unit})
    return _document(site, vehicle_id, iso_text(at_us), signals, newest)
