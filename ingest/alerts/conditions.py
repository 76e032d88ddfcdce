"""Whether a condition holds, given the newest facts of a vehicle: yes, no, or as it was. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from ingest.alerts.areas import Position
from ingest.alerts.rules import (
    ANOMALY,
    CHARGE_POWERS,
    Anomalies,
    BatteryLow,
    Geofence,
    Threshold,
)
from ingest.alerts.spans import SECOND_US
from ingest.alerts.track import Fact, RuleTrack
from ingest.alerts.values import Value, compare

PAIR_US: Final = 10 * SECOND_US
"""Latitude and longitude that are further apart in time are no position together."""

CHARGING_STATES: Final = frozenset({"starting", "charging"})
POWER_HOLDS_US: Final = 3600 * SECOND_US
"""A charger that was last heard of longer ago says nothing, as with charging sessions."""

Facts = Mapping[str, Fact]
Judgeable = Threshold | BatteryLow | Geofence | Anomalies
"""What facts alone decide; silence needs a clock."""


class Verdict(NamedTuple):
    """`holds` is None where it stays as it was: between two limits, or because nothing is known."""

    holds: bool | None
    value: Value | None = None


def judge(
    condition: Judgeable, track: RuleTrack, facts: Facts, fresh: Sequence[Fact], t: int
) -> tuple[Verdict, RuleTrack]:
    """What the newest facts say at time `t`, `fresh` ones among them, and what is to be remembered."""
    match condition:
        case Threshold():
            return _of_threshold(condition, facts), track
        case BatteryLow():
            return _of_battery(condition, facts, t), track
        case Geofence():
            return _of_area(condition, track, facts)
        case Anomalies():
            return _of_anomalies(condition, track, fresh, t)


def _of_threshold(condition: Threshold, facts: Facts) -> Verdict:
    fact = next((facts[name] for name in condition.names if name in facts), None)
    if fact is None:
        return Verdict(None)
    if compare(fact.value, condition.op, condition.value):
        return Verdict(True, fact.value)
    limit = condition.value if condition.clear is None else condition.clear
    return Verdict(None if compare(fact.value, condition.op, limit) else False, fact.value)


def _of_battery(condition: BatteryLow, facts: Facts, t: int) -> Verdict:
    charge = facts.get(condition.signal)
    if charge is None or isinstance(charge.value, str):
        return Verdict(None)
    if is_charging(facts, t):
        return Verdict(False, charge.value)
    if charge.value < condition.below:
        return Verdict(True, charge.value)
    clear = condition.below if condition.clear is None else condition.clear
    return Verdict(None if charge.value < clear else False, charge.value)


def is_charging(facts: Facts, t: int) -> bool:
    """By the charge state, or by a power that came after it and not long before `t`."""
    state = facts.get("charge_state")
    if state is not None and state.value in CHARGING_STATES:
        return True
    powers = [facts[name] for name in CHARGE_POWERS if name in facts]
    return any(
        not isinstance(power.value, str)
        and power.value > 0
        and t - power.t <= POWER_HOLDS_US
        and (state is None or power.t > state.t)
        for power in powers
    )


def _of_area(condition: Geofence, track: RuleTrack, facts: Facts) -> tuple[Verdict, RuleTrack]:
    position = position_of(facts)
    if position is None:
        return Verdict(None), track
    inside = condition.area.holds(position)
    where = f"{position.latitude:.6g} {position.longitude:.6g}"
    if condition.on == "enter":
        return Verdict(inside, where), track
    if inside and not track.was_inside:
        track = replace(track, was_inside=True)
    return Verdict(None if not inside and not track.was_inside else not inside, where), track


def position_of(facts: Facts) -> Position | None:
    """Where the vehicle is; None while that is not known."""
    latitude, longitude = facts.get("latitude"), facts.get("longitude")
    if latitude is None or longitude is None or abs(latitude.t - longitude.t) > PAIR_US:
        return None
    if isinstance(latitude.value, str) or isinstance(longitude.value, str):
        return None
    position = Position(latitude.value, longitude.value)
    return position if position.is_known else None


def _of_anomalies(
    condition: Anomalies, track: RuleTrack, fresh: Sequence[Fact], t: int
) -> tuple[Verdict, RuleTrack]:
    name = f"{ANOMALY}{condition.kind}"
    found = [fact.t for fact in fresh if fact.name == name]
    times = tuple(sorted((*track.times, *found)))[-condition.count :]
    track = replace(track, times=times)
    has_enough = len(times) == condition.count and times[0] > t - condition.window_us
    return Verdict(True if has_enough else None, float(condition.count)), track


def quiet_at(condition: Anomalies, track: RuleTrack) -> int:
    """When there are no longer enough anomalies in the window, if none follows."""
    return track.times[0] + condition.window_us
