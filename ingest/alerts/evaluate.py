"""What rules make of facts: (track, facts) -> (track, changes). Pure: times are passed in, nothing is asked.

Facts are judged in the order of their time. A fact waits for `settle`, so that an older one that comes
within it finds its place; what is judged is not judged again: of one name, a fact that is older than the
newest one judged, or the same, changes nothing, as with the state. So repetition changes no alert, and order
changes none where nothing comes later than `settle`. Durations count by the time of facts; what is missing,
by a clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from msgspec import structs

from ingest.alerts.changes import Change
from ingest.alerts.conditions import Verdict, judge, quiet_at
from ingest.alerts.rules import Anomalies, Missing, Rule
from ingest.alerts.track import NEVER_US, UNJUDGED, Fact, RuleTrack, Track

MOST_WAITING: Final = 1000
"""Facts of one vehicle. More of them do not wait: the oldest are judged."""

Judged = tuple[Track, list[Change]]
Stand = tuple[RuleTrack, list[Change]]


class Due(NamedTuple):
    """When a tick may change something next; None while only a fact can."""

    now_us: int | None
    """By the clock of processes."""

    clock_us: int | None
    """By the time up to which the sources were read."""


def take(track: Track, facts: Iterable[Fact], rules: Sequence[Rule], settle_us: int, now_us: int) -> Judged:
    """Takes facts in, and judges those that need not wait any more. `now_us` is when they came."""
    fresh = {fact for fact in facts if _is_new(track, fact)} - set(track.waiting)
    if not fresh:
        return track, []
    waiting = tuple(sorted((*track.waiting, *fresh), key=attrgetter("place")))
    newest = max(track.newest, waiting[-1].t)
    track = replace(track, waiting=waiting, newest=newest, arrived=now_us)
    return _judge_until(track, newest - settle_us - (1 if settle_us else 0), rules)


def tick(track: Track, rules: Sequence[Rule], settle_us: int, now_us: int, clock_us: int) -> Judged:
    """What time brings. `now_us` is the clock of this process; `clock_us` the time up to which it is known
    that every message of the sources was taken."""
    changes: list[Change] = []
    if track.waiting and now_us >= track.arrived + settle_us:
        track, changes = _judge_until(track, track.newest, rules)
    stands = dict(track.rules)
    for rule in rules:
        before = track.rule(rule.name)
        after, found = _by_clock(rule, before, track, clock_us)
        changes += found
        if after is not before:
            stands[rule.name] = after
    for name in stands.keys() - {rule.name for rule in rules}:  # not in the file any more, or not for it
        removed = stands.pop(name)
        changes += _end(name, removed, removed.at)[1]
    return replace(track, rules=stands), changes


def due(track: Track, rules: Sequence[Rule], settle_us: int) -> Due:
    """When the next tick is worth it."""
    by_now = track.arrived + settle_us if track.waiting else None
    return Due(by_now, min(_moments(track, rules), default=None))


def _is_new(track: Track, fact: Fact) -> bool:
    known = track.facts.get(fact.name)
    return known is None or fact.order > known.order


def _judge_until(track: Track, until_us: int, rules: Sequence[Rule]) -> Judged:
    """Judges what waits up to a time, together what is of one time."""
    count = sum(fact.t <= until_us for fact in track.waiting)
    count = max(count, len(track.waiting) - MOST_WAITING)
    facts, stands, changes = dict(track.facts), dict(track.rules), list[Change]()
    for t, group in groupby(track.waiting[:count], attrgetter("t")):
        fresh = [fact for fact in group if fact.name not in facts or fact.order > facts[fact.name].order]
        facts |= {fact.name: fact for fact in fresh}  # of one name and time the greatest comes last
        names = {fact.name for fact in fresh}
        for rule in rules:
            condition = rule.condition
            if isinstance(condition, Missing) or names.isdisjoint(rule.names):
                continue
            before, quiet = _by_clock(rule, stands.get(rule.name, UNJUDGED), track, t)
            at = max(t, before.at)
            verdict, after = judge(condition, before, facts, fresh, at)
            stands[rule.name], found = _decide(rule, after, verdict, at)
            changes += [*quiet, *found]
    return replace(track, facts=facts, waiting=track.waiting[count:], rules=stands), changes


def _decide(rule: Rule, track: RuleTrack, verdict: Verdict, at: int) -> Stand:
    """Opens once the condition has held for as long as the rule says; ends once it does not hold."""
    if verdict.holds:
        since = at if track.since is None else track.since
        track = structs.replace(track, at=at, since=since)
        if track.is_open or at - since < rule.for_us:
            return track, []
        opened = structs.replace(track, opened=at, value=verdict.value)
        return opened, [Change("opened", rule.name, at, at, verdict.value)]
    if track.is_open and verdict.holds is None:
        return structs.replace(track, at=at), []
    track, changes = _end(rule.name, track, at)
    return structs.replace(track, at=at, since=None), changes


def _by_clock(rule: Rule, track: RuleTrack, vehicle: Track, clock_us: int) -> Stand:
    """What silence means to a rule, once it is known that nothing was said until `clock_us`."""
    condition = rule.condition
    if isinstance(condition, Missing):
        return _missed(rule.name, condition, track, vehicle, clock_us)
    if isinstance(condition, Anomalies) and track.is_open and clock_us >= quiet_at(condition, track):
        over, changes = _end(rule.name, track, quiet_at(condition, track))
        return structs.replace(over, since=None), changes
    return track, []


def _missed(rule: str, condition: Missing, track: RuleTrack, vehicle: Track, clock_us: int) -> Stand:
    heard = _heard(condition, vehicle)
    if heard is None:
        return track, []
    if clock_us < heard + condition.for_us:
        return _end(rule, structs.replace(track, at=heard), heard) if track.is_open else (track, [])
    if track.is_open:
        return (structs.replace(track, at=heard) if heard > track.at else track), []
    at = heard + condition.for_us
    return structs.replace(track, at=heard, opened=at), [Change("opened", rule, at, at, None)]


def _heard(condition: Missing, vehicle: Track) -> int | None:
    """The latest time, of facts that wait as well: no order is needed for it."""
    [name] = condition.names
    times = [fact.t for fact in vehicle.waiting if fact.name == name]
    if name in vehicle.facts:
        times.append(vehicle.facts[name].t)
    return max(times, default=None)


def _moments(track: Track, rules: Sequence[Rule]) -> Iterator[int]:
    if not track.rules.keys() <= {rule.name for rule in rules}:
        yield NEVER_US
    for rule in rules:
        stand, condition = track.rule(rule.name), rule.condition
        if isinstance(condition, Missing):
            heard = _heard(condition, track)
            if heard is not None and not stand.is_open:
                yield heard + condition.for_us
            elif heard is not None and heard > stand.at:
                yield heard
        elif isinstance(condition, Anomalies) and stand.is_open:
            yield quiet_at(condition, stand)


def _end(rule: str, track: RuleTrack, at: int) -> Stand:
    """The open alert is over; nothing happens where none is."""
    if track.opened is None:
        return track, []
    change = Change("resolved", rule, track.opened, max(at, track.opened), track.value)
    return structs.replace(track, opened=None, value=None), [change]
