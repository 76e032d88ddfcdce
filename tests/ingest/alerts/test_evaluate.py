"""What rules make of facts: the laws, and one case for each of what they say."""

from collections.abc import Iterable, Sequence
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.alerts.changes import Change
from ingest.alerts.evaluate import MOST_WAITING, due, take, tick
from ingest.alerts.rules import MESSAGE, Rule
from ingest.alerts.spans import SECOND_US
from ingest.alerts.track import Fact, Track, from_text, to_text
from tests.ingest.alerts.fact_strategies import FACTS, RULES, SETTLE_US, arrivals, batches, rule

FAST = rule("fast", threshold={"signal": "speed", "op": ">", "value": 100, "clear": 90})
FAST_FOR_10 = rule("fast", threshold={"signal": "speed", "op": ">", "value": 100, "for": "10s"})
SILENT = rule("silent", missing={"for": "60s"})
OFTEN = rule("often", anomalies={"kind": "overspeed", "count": 3, "window": "60s"})


def speeds(*readings: tuple[float, float]) -> list[Fact]:
    """(seconds, km/h)."""
    return [Fact(int(t * SECOND_US), "speed", value) for t, value in readings]


def judged(
    parts: Iterable[Sequence[Fact]], rules: Sequence[Rule] = RULES, settle_us: int = SETTLE_US
) -> list[Change]:
    """All changes, until nothing waits."""
    track, changes = Track(), list[Change]()
    for part in parts:
        track, found = take(track, part, rules, settle_us, 0)
        track = from_text(to_text(track))
        changes += found
    return changes + tick(track, rules, settle_us, settle_us, 0)[1]


def events(changes: Iterable[Change]) -> list[tuple[str, float]]:
    """(event, its seconds)."""
    return [(change.event, change.at_us / SECOND_US) for change in changes]


# -- laws


@given(st.data())
def test_order_and_repetition_change_no_alert(data: st.DataObject) -> None:
    """Facts none of which comes later than `settle`, in any order, split and repeated in any way."""
    facts = data.draw(FACTS)
    expected = judged([facts])
    came = data.draw(arrivals(facts))
    assert judged(data.draw(batches(came))) == expected


@given(st.data())
def test_what_is_read_again_changes_nothing(data: st.DataObject) -> None:
    """A restart reads from some place before: no alert more, none less, whatever came and however late."""
    facts = data.draw(FACTS)
    track, changes = take(Track(), facts, RULES, SETTLE_US, 0)
    again = facts[data.draw(st.integers(0, len(facts))) :]
    assert take(track, again, RULES, SETTLE_US, 1) == (track, [])
    whole = judged([facts])
    assert judged([facts, again]) == whole
    assert whole[: len(changes)] == changes


@given(facts=FACTS, order=st.randoms(use_true_random=False))
def test_a_late_fact_does_not_rewind(facts: list[Fact], order: object) -> None:
    """In any order at all, at once: an alert is open in the end if the newest reading is beyond the limit."""
    plain = rule("fast", threshold={"signal": "speed", "op": ">", "value": 100})
    order.shuffle(facts)  # type: ignore[attr-defined]  # a Random that Hypothesis shrinks
    track = Track()
    for fact in facts:
        track, _ = take(track, [fact], [plain], 0, 0)
    of_speed = [fact for fact in facts if fact.name == "speed"]
    assert track.rule("fast").is_open == (bool(of_speed) and max(of_speed).value > 100)  # type: ignore[operator]


@given(FACTS)
def test_hysteresis_and_duration_are_what_a_plain_loop_says(facts: list[Fact]) -> None:
    """Beyond the value to open, for as long as it says; behind the other one to end."""
    for each in (FAST, FAST_FOR_10):
        assert events(judged([facts], [each])) == plainly(each, facts)


def plainly(each: Rule, facts: Sequence[Fact]) -> list[tuple[str, float]]:
    """Message by message, in the order of time; of one time the greatest counts."""
    assert each.threshold is not None
    found: list[tuple[str, float]] = []
    is_open, since = False, None
    of_speed = sorted(fact for fact in facts if fact.name == "speed")
    for t, group in groupby(of_speed, lambda fact: fact.t):
        value = float(max(group).value)
        if value > 100:
            since = t if since is None else since
            if not is_open and t - since >= each.threshold.for_us:
                is_open = True
                found.append(("opened", t / SECOND_US))
        elif not is_open or value <= (each.threshold.clear or 100):  # type: ignore[operator]
            since = None
            if is_open:
                is_open = False
                found.append(("resolved", t / SECOND_US))
    return found


@given(st.data())
def test_a_track_survives_its_text(data: st.DataObject) -> None:
    """What MongoDB keeps is all there is."""
    track, _ = take(Track(), data.draw(FACTS), RULES, SETTLE_US, 7)
    assert from_text(to_text(track)) == track


# -- thresholds


def test_an_alert_stays_open_between_its_limits() -> None:
    """It opened above 100 and ends at 90, not at 99."""
    changes = judged([speeds((0, 99), (1, 101), (2, 99), (3, 101), (4, 91), (5, 90), (6, 99))], [FAST])
    assert events(changes) == [("opened", 1), ("resolved", 5)]
    assert changes[0].value == changes[1].value == 101
    assert changes[1].opened_us == changes[0].at_us


def test_a_condition_must_hold_for_all_of_the_duration() -> None:
    """One reading that says otherwise begins it anew; the reading that completes it opens."""
    assert events(judged([speeds((0, 101), (9, 101), (9.5, 99), (10, 101), (19, 101))], [FAST_FOR_10])) == []
    assert events(judged([speeds((0, 101), (9, 102), (12, 103), (13, 100))], [FAST_FOR_10])) == [
        ("opened", 12),
        ("resolved", 13),
    ]


def test_silence_does_not_complete_a_duration() -> None:
    """Nobody knows how fast it drove meanwhile."""
    track, _ = take(Track(), speeds((0, 101)), [FAST_FOR_10], 0, 0)
    assert tick(track, [FAST_FOR_10], 0, 10**15, 10**15)[1] == []


def test_a_late_reading_within_settle_finds_its_place() -> None:
    """It came last and was first."""
    assert events(judged([speeds((10, 95)), speeds((9, 101))], [FAST])) == [("opened", 9)]
    assert events(judged([speeds((10, 95)), speeds((9, 101))], [FAST], 0)) == []


def test_a_reading_does_not_wait_for_ever() -> None:
    """A vehicle that falls silent after it: a tick judges, by the clock of who took it."""
    track, changes = take(Track(), speeds((10, 101)), [FAST], SETTLE_US, 1000)
    assert changes == []
    assert due(track, [FAST], SETTLE_US).now_us == 1000 + SETTLE_US
    assert tick(track, [FAST], SETTLE_US, 999 + SETTLE_US, 0)[1] == []
    track, changes = tick(track, [FAST], SETTLE_US, 1000 + SETTLE_US, 0)
    assert events(changes) == [("opened", 10)]
    assert due(track, [FAST], SETTLE_US) == (None, None)


def test_what_waits_is_bounded() -> None:
    """A vehicle that sends without end does not fill the memory."""
    readings = speeds(*((t / 1e6, 50.0) for t in range(3 * MOST_WAITING)))
    track, _ = take(Track(), readings, [FAST], SETTLE_US, 0)
    assert len(track.waiting) == MOST_WAITING


def test_two_signals_late_to_each_other_are_both_heard() -> None:
    """Of each signal its own order counts: a charger that is heard of late still keeps the alert away."""
    battery = rule("battery", battery_low={"below": 20})
    track, changes = take(Track(), [Fact(100, "soc", 30.0)], [battery], 0, 0)
    track, changes = take(track, [Fact(50, "charge_state", "charging")], [battery], 0, 0)
    track, changes = take(track, [Fact(200, "soc", 10.0)], [battery], 0, 0)
    assert changes == []


# -- battery


@pytest.mark.parametrize(
    ("facts", "is_open"),
    [
        ([("soc", 0, 10.0)], True),
        ([("charge_state", 0, "charging"), ("soc", 1, 10.0)], False),
        ([("charge_state", 0, "stopped"), ("soc", 1, 10.0)], True),
        ([("charge_power", 0, 7.0), ("soc", 1, 10.0)], False),
        ([("dc_charge_power", 0, 50.0), ("ac_charge_power", 0, 0.0), ("soc", 1, 10.0)], False),
        ([("charge_power", 0, 7.0), ("charge_state", 1, "disconnected"), ("soc", 2, 10.0)], True),
        ([("charge_power", 0, 7.0), ("soc", 3601, 10.0)], True),
        ([("soc", 0, 10.0), ("soc", 1, 19.0)], True),
        ([("soc", 0, 10.0), ("soc", 1, 25.0)], False),
        ([("soc", 0, 10.0), ("charge_state", 1, "charging")], False),
    ],
)
def test_a_battery_is_low_and_does_not_charge(facts: list[tuple[str, int, float]], is_open: bool) -> None:
    """By the state, or a power that came after it; between its limits it stays as it was."""
    battery = rule("battery", battery_low={"below": 15, "clear": 20})
    told = [Fact(t * SECOND_US, name, value) for name, t, value in facts]
    track, _ = take(Track(), told, [battery], 0, 0)
    assert track.rule("battery").is_open == is_open


# -- areas


def test_a_vehicle_enters_and_leaves() -> None:
    """`enter` is open inside, also of who was there from the beginning; `leave` only of who was inside."""
    enter = rule(
        "in", geofence={"on": "enter", "circle": {"latitude": 10, "longitude": 10, "radius_m": 1000}}
    )
    leave = rule(
        "out", geofence={"on": "leave", "circle": {"latitude": 10, "longitude": 10, "radius_m": 1000}}
    )

    def at(t: int, latitude: float, longitude: float) -> list[Fact]:
        return [Fact(t, "latitude", latitude), Fact(t, "longitude", longitude)]

    way = [at(1, 10, 10), at(2, 0, 0), at(3, 11, 10), at(4, 10, 10)]
    assert [(c.event, c.at_us) for c in judged(way, [enter], 0)] == [
        ("opened", 1),
        ("resolved", 3),
        ("opened", 4),
    ]
    assert [(c.event, c.at_us) for c in judged(way, [leave], 0)] == [("opened", 3), ("resolved", 4)]
    assert judged([at(1, 50, 50), at(2, 51, 51)], [leave], 0) == []


def test_half_a_position_is_none() -> None:
    """Latitude and longitude that are far apart in time are not put together."""
    enter = rule(
        "in", geofence={"on": "enter", "circle": {"latitude": 10, "longitude": 10, "radius_m": 1000}}
    )
    apart = [[Fact(0, "latitude", 10.0)], [Fact(11 * SECOND_US, "longitude", 10.0)]]
    assert judged(apart, [enter], 0) == []
    assert len(judged([*apart, [Fact(12 * SECOND_US, "latitude", 10.0)]], [enter], 0)) == 1


# -- silence


def test_a_vehicle_is_missed_and_heard_again() -> None:
    """Opened when it had been silent for so long by the clock, whenever the tick came."""
    track, _ = take(Track(), [Fact(0, MESSAGE, 0.0)], [SILENT], 0, 0)
    assert due(track, [SILENT], 0).clock_us == 60 * SECOND_US
    assert tick(track, [SILENT], 0, 10**15, 59 * SECOND_US)[1] == []
    track, changes = tick(track, [SILENT], 0, 10**15, 75 * SECOND_US)
    assert events(changes) == [("opened", 60)]
    assert due(track, [SILENT], 0).clock_us is None
    assert tick(track, [SILENT], 0, 10**15, 500 * SECOND_US) == (track, [])
    track, _ = take(track, [Fact(490 * SECOND_US, MESSAGE, 0.0)], [SILENT], 0, 0)
    assert due(track, [SILENT], 0).clock_us == 490 * SECOND_US
    assert events(tick(track, [SILENT], 0, 10**15, 500 * SECOND_US)[1]) == [("resolved", 490)]


def test_old_messages_of_a_missing_vehicle_do_not_end_its_alert() -> None:
    """What it had stored comes first: it is heard again when something of now comes."""
    track, _ = take(Track(), [Fact(0, MESSAGE, 0.0)], [SILENT], 0, 0)
    track, _ = tick(track, [SILENT], 0, 0, 500 * SECOND_US)
    track, _ = take(track, [Fact(30 * SECOND_US, MESSAGE, 0.0)], [SILENT], 0, 0)
    track, changes = tick(track, [SILENT], 0, 0, 500 * SECOND_US)
    assert changes == []
    assert due(track, [SILENT], 0).clock_us is None


def test_a_signal_is_missed_while_others_come() -> None:
    """And a vehicle that never sent it is not missed."""
    deaf = rule("deaf", missing={"signal": "soc", "for": "60s"})
    track, _ = take(Track(), [Fact(100 * SECOND_US, "speed", 1.0)], [deaf, FAST], 0, 0)
    assert tick(track, [deaf], 0, 0, 10**12)[1] == []
    track, _ = take(track, [Fact(100 * SECOND_US, "soc", 1.0)], [deaf, FAST], 0, 0)
    assert events(tick(track, [deaf], 0, 0, 160 * SECOND_US)[1]) == [("opened", 160)]


# -- anomalies


def test_anomalies_are_counted_in_a_window() -> None:
    """Three within a minute open; it ends when the third last is older than that."""
    anomalies = [[Fact(t * SECOND_US, "anomaly/overspeed", 190.0)] for t in (0, 50, 70, 80)]
    track, changes = Track(), list[Change]()
    for part in anomalies:
        track, found = take(track, part, [OFTEN], 0, 0)
        changes += found
    assert events(changes) == [("opened", 80)]
    assert due(track, [OFTEN], 0).clock_us == 110 * SECOND_US
    assert events(tick(track, [OFTEN], 0, 0, 200 * SECOND_US)[1]) == [("resolved", 110)]


def test_a_gap_between_anomalies_ends_an_alert_whoever_looked() -> None:
    """The same with a tick in the gap and without."""
    times = (0, 10, 20, 300, 310, 320)
    found = judged([[Fact(t * SECOND_US, "anomaly/overspeed", 190.0)] for t in times], [OFTEN], 0)
    assert events(found) == [("opened", 20), ("resolved", 60), ("opened", 320)]


# -- rules that change


def test_a_rule_that_is_gone_ends_its_alert() -> None:
    """Whoever ticks next, and the vehicle is due at once."""
    track, _ = take(Track(), speeds((5, 101)), [FAST], 0, 0)
    moment = due(track, [SILENT], 0).clock_us
    assert moment is not None
    assert moment < 0
    track, changes = tick(track, [SILENT], 0, 0, 0)
    assert events(changes) == [("resolved", 5)]
    assert due(track, [], 0) == (None, None)
