"""What a rule would have done to facts of the past: the same judgement, with the clock of the facts. Nobody
is told."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple

from ingest.alerts.changes import Change
from ingest.alerts.evaluate import take, tick
from ingest.alerts.rules import Rule
from ingest.alerts.track import Fact, Track


class Found(NamedTuple):
    """A change, and the vehicle that it is of."""

    vehicle_id: str
    change: Change


def trial(rule: Rule, facts: Iterable[tuple[str, Fact]], until_us: int | None = None) -> Iterator[Found]:
    """Every change, vehicle by vehicle. `facts` stand together by vehicle, in any order within; silence lasts
    until `until_us`, or until the last fact of the vehicle."""
    for vehicle, rows in groupby(facts, itemgetter(0)):
        for change in _of_vehicle(
            rule, sorted((fact for _, fact in rows), key=attrgetter("place")), until_us
        ):
            yield Found(vehicle, change)


def _of_vehicle(rule: Rule, facts: list[Fact], until_us: int | None) -> Iterator[Change]:
    track, last_us = Track(), 0
    for t, group in groupby(facts, attrgetter("t")):
        track, before = tick(track, [rule], 0, t, t - 1)
        track, taken = take(track, group, [rule], 0, t)
        track, after = tick(track, [rule], 0, t, t)
        yield from (*before, *taken, *after)
        last_us = t
    end_us = last_us if until_us is None else until_us
    yield from tick(track, [rule], 0, end_us, end_us)[1]
