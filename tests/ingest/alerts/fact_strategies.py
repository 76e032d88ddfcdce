"""Facts of one vehicle as vehicles may send them, orders in which they may come, and a rule of every kind."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from ingest.alerts.rules import Rule
from ingest.alerts.spans import SECOND_US
from ingest.alerts.track import Fact

SETTLE_US = 5 * SECOND_US

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "speed": st.sampled_from([0.0, 80.0, 90.0, 95.0, 100.0, 101.0, 140.0]),
    "soc": st.sampled_from([5.0, 10.0, 12.0, 15.0, 40.0]),
    "charge_state": st.sampled_from(["charging", "stopped", "disconnected"]),
    "charge_power": st.sampled_from([0.0, 7.0]),
    "latitude": st.sampled_from([0.0, 10.0, 20.0]),
    "longitude": st.sampled_from([0.0, 10.0, 20.0]),
    "anomaly/overspeed": st.sampled_from([181.0, 190.0]),
}
TIMES = st.integers(0, 120).map(lambda halves: halves * SECOND_US // 2)
FACTS = st.lists(
    st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.builds(Fact, TIMES, st.just(name), VALUES[name])),
    max_size=40,
)


def rule(name: str, **kind: Any) -> Rule:
    """A rule with what the file would say of its kind."""
    return Rule.model_validate({"name": name, "summary": "{vehicle}", **kind})


SQUARE = [
    {"latitude": 5, "longitude": 5},
    {"latitude": 5, "longitude": 15},
    {"latitude": 15, "longitude": 15},
    {"latitude": 15, "longitude": 5},
]
RULES: Sequence[Rule] = (
    rule("fast", threshold={"signal": "speed", "op": ">", "value": 100, "clear": 90}),
    rule("fast_for_long", threshold={"signal": "speed", "op": ">=", "value": 95, "for": "7s"}),
    rule("gear", threshold={"signal": "charge_state", "op": "!=", "value": "charging"}),
    rule("battery", battery_low={"below": 12, "clear": 15, "for": "3s"}),
    rule("inside", geofence={"on": "enter", "polygon": {"corners": SQUARE}}),
    rule("outside", geofence={"on": "leave", "polygon": {"corners": SQUARE}, "for": "2s"}),
    rule("often", anomalies={"kind": "overspeed", "count": 2, "window": "10s"}),
)


@st.composite
def arrivals(draw: st.DrawFn, facts: Sequence[Fact]) -> list[Fact]:
    """An order in which none comes later than `SETTLE_US`, with any repetition of what has come."""
    delays = draw(st.lists(st.integers(0, SETTLE_US), min_size=len(facts), max_size=len(facts)))
    order = sorted(zip(facts, delays, strict=True), key=lambda each: each[0].t + each[1])
    came: list[Fact] = []
    for fact, _ in order:
        came.append(fact)
        if draw(st.booleans()):
            came.append(draw(st.sampled_from(came)))
    return came


@st.composite
def batches(draw: st.DrawFn, facts: Sequence[Fact]) -> list[list[Fact]]:
    """The same in parts, as polls bring them."""
    cuts = sorted(draw(st.lists(st.integers(0, len(facts)), max_size=8)))
    ends = [0, *cuts, len(facts)]
    return [list(facts[start:stop]) for start, stop in pairwise(ends)]
