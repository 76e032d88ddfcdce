"""The state of one vehicle at a moment, from the history, by the same order of readings as the live state.

The history is read back from the moment, some days at a time, until everything is found that the vehicle is
known to say: of a vehicle that says all of it every day, two days of however many there are.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import unquote

from fastapi import Request

from lake.errors import LakeError
from serving.answers import records
from serving.lookups import LookUps
from serving.parameters import moment_of
from serving.questions import text
from serving.site import Site

CLOCKS_AHEAD = timedelta(days=1)
"""An effective time is before the event time, which decides the day, by minutes at most."""

LOOK_BACK_DAYS = (2, 16, 128)
"""Then everything. Each look includes those before it: it costs little more than it would without them."""

NO_DAY = date(1, 1, 1)

Key = tuple[str, str | None]
"""A signal, and its sensor where its contract keeps them apart."""


async def rows_at(
    site: Site, look_ups: LookUps, request: Request, vehicle_id: str, at_us: int
) -> list[dict[str, Any]]:
    """The newest reading of each signal; none where nothing is known of that time."""
    last = (moment_of(at_us) + CLOCKS_AHEAD).date()
    contracts = site.registry.contracts.values()
    asked = {
        "vehicle": vehicle_id,
        "at": moment_of(at_us),
        "last": last,
        "sensor_topics": [
            topic for each in contracts if each.state_sensor == "per_sensor" for topic in each.topics
        ],
        "signals": list(site.registry.catalog),
    }

    async def since(first: date) -> list[dict[str, Any]]:
        return records(await site.asking.rows(request, text("state_at"), {**asked, "first": first}))

    expected = await _expected(site, look_ups, vehicle_id)
    for days in LOOK_BACK_DAYS if expected else ():
        first = last - timedelta(days=days)
        found = await since(first)
        if is_all(found, expected, first):
            return found
    return await since(NO_DAY)


def is_all(found: Sequence[Mapping[str, Any]], expected: Collection[Key], first: date) -> bool:
    """Whether days before the first can change nothing. What happened there had its effect there, too: only
    a value from before the first day's begin may have an equal or a better one among them."""
    begin = datetime.combine(first, time.min, UTC)
    is_settled = {(row["signal"], row["sensor"]): row["time"] >= begin for row in found}
    return all(is_settled.values()) and is_settled.keys() >= set(expected)


async def _expected(site: Site, look_ups: LookUps, vehicle_id: str) -> set[Key]:
    """What its live state has: everything it ever said. Empty where that cannot be known."""
    try:
        state = await look_ups.state(vehicle_id)
    except LakeError:
        return set()
    keys = {_key(name) for name in state.signals} if state is not None else set()
    return {key for key in keys if key[0] in site.registry.catalog}


def _key(name: str) -> Key:
    signal, mark, sensor = name.partition("@")
    return signal, unquote(sensor) if mark else None
