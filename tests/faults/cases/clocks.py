"""Clocks that are wrong: of vehicles, of receivers, and of the records themselves; and what is sent twice."""

import json
import time
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient

from tests.faults.case import Outcome, case
from tests.faults.rig.site import DATABASE, Load, Site
from tests.faults.rig.topics import TopicAdmin
from tests.faults.rig.traffic import RECEIPT_MS, TCU, TOPICS, Traffic
from tests.faults.rig.verdict import bronze_rows

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
SPAN_MS = 60_000
"""Message 0 happened this long ago, and the last one hardly before it is sent: each is a millisecond."""

MESSAGES = 60_000
RATE = 3_000.0
DATED = "twins-of-a-day"


@case(
    "Time",
    "Producers whose clocks are an hour behind and an hour ahead beside right ones: what is an hour behind "
    "is late data and changes no newer state, what is an hour ahead is rejected whole as future_time, landed "
    "and dead-lettered; nothing lost, nothing doubled",
)
def producer_clocks_an_hour_off(site: Site, scale: float) -> Outcome:
    """One fleet, three clocks, one after the other so that each meets the state of those before it."""
    site.start_sinks()
    count = _fitting(scale)
    _send(site, count, Traffic(_now_ms() - SPAN_MS))
    _send(site, count, Traffic(_now_ms() - SPAN_MS, seed=2, clock_ahead_ms=-HOUR_MS))
    # Late messages of a clock that is an hour ahead are ahead, too.
    ahead = Traffic(_now_ms() - SPAN_MS, seed=3, clock_ahead_ms=HOUR_MS, bad=0.0, future_from_ms=0)
    _send(site, count, ahead)
    return Outcome(facts=_reasons(site))


@case(
    "Time",
    "Topics that keep the producers' timestamps (message.timestamp.type=CreateTime): doctor warns; every "
    "sink judges by the record's own timestamp, so all decide alike whatever it is: an hour behind rejects "
    "what is true as future_time, an hour ahead lets in what is an hour ahead; nothing lost, nothing doubled",
)
def record_timestamps_an_hour_off(site: Site, scale: float) -> Outcome:
    """Timestamps of records shifted by an hour in either direction."""
    topics = TopicAdmin(site)
    for topic in TOPICS.values():
        topics.configure(topic, {"message.timestamp.type": "CreateTime"})
    doctor = site.command("doctor", check=False)
    said = " ".join((doctor.stdout + doctor.stderr).split())  # it may be wrapped
    broken = () if "is not LogAppendTime" in said else (f"doctor does not warn: {said}",)
    site.start_sinks()
    count = _fitting(scale)
    _send(site, count, Traffic(_now_ms() - SPAN_MS))
    behind = Traffic(_now_ms() - SPAN_MS, seed=2, bad=0.0, future_from_ms=0)
    _send(site, count, behind, timestamp_shift_ms=-HOUR_MS)
    ahead = Traffic(_now_ms() - SPAN_MS, seed=3, clock_ahead_ms=HOUR_MS)
    _send(site, count, ahead, timestamp_shift_ms=HOUR_MS)
    return Outcome(facts={"doctor": "warns", **_reasons(site)}, broken=broken)


@case(
    "Time",
    "Events dated 4 minutes ahead are taken: with a time of receipt they count from then and freeze no "
    "state, without one they count from their own time; dated 6 minutes ahead they are rejected whole as "
    "future_time, landed and dead-lettered",
)
def events_dated_ahead(site: Site, scale: float) -> Outcome:
    """The same fleet with clocks 4 and 6 minutes ahead, then with right ones, whose later events must win
    wherever receipt was known."""
    site.start_sinks()
    count = _fitting(scale)
    begin_ms, four = _now_ms() - SPAN_MS, 4 * MINUTE_MS
    _send(site, count, Traffic(begin_ms, clock_ahead_ms=four, receipt_ms=RECEIPT_MS - four))
    now_ms = _now_ms()  # late messages of a clock that is so far ahead lie in the past
    six = Traffic(now_ms, seed=2, bad=0.0, clock_ahead_ms=6 * MINUTE_MS, future_from_ms=now_ms + MINUTE_MS)
    _send(site, count, six)
    _send(site, count, Traffic(_now_ms() - SPAN_MS, seed=3))
    record = site.record()
    clamped = sum(v.time_us < (begin_ms + four) * 1000 for (n, _), v in record.newest.items() if n[0] == "T")
    unclamped = sum(
        v.time_us >= (begin_ms + four) * 1000 for (n, _), v in record.newest.items() if n[0] == "C"
    )
    broken = () if clamped and unclamped else (f"{clamped} clamped, {unclamped} not",)
    return Outcome(facts={"clamped": clamped, "not clamped": unclamped, **_reasons(site)}, broken=broken)


@case(
    "Time",
    "The same messages sent twice by their producer, and a file replayed twice by `fleetlake replay`: bronze "
    "has every copy with its own coordinates, the state is as after once",
)
def the_same_file_replayed_twice(site: Site, scale: float) -> Outcome:
    """States and maxima are read after the first copy and after the second; nothing may differ."""
    site.start_sinks()
    first = site.load(int(MESSAGES * scale), RATE)
    first.finish()
    site.wait()
    once = _states(site)
    site.load_again(first, RATE).finish()
    site.wait()
    broken = [] if _states(site) == once else ["the state differs after the second copy"]
    verdict = site.verdict()
    lines = _write_file(site, first)
    copies = [_replay(site) for _ in range(2)]
    if copies[0] != copies[1]:
        broken.append("the state differs after the second replay of the file")
    landed = bronze_rows(*site.lake).height - verdict.rows
    if landed != 2 * lines:
        broken.append(f"{landed} rows of two replays of {lines} lines")
    verdict.audit_ok = verdict.audit_ok and site.audit()["ok"]
    facts = {
        "values compared": sum(map(len, once.values())),
        "lines of the file": lines,
        "their rows": landed,
    }
    return Outcome(facts=facts, broken=tuple(broken), verdict=verdict)


def _fitting(scale: float) -> int:
    """So few messages that their times are known to lie before or behind a bound."""
    return min(int(MESSAGES * scale), SPAN_MS)


def _send(site: Site, count: int, traffic: Traffic, **spec: Any) -> None:
    """All of one clock, numbered from 0: the time of each message follows from its number."""
    site.load(count, RATE, traffic=traffic, first=0, **spec).finish()


def _now_ms() -> int:
    return int(time.time() * 1000)


def _reasons(site: Site) -> Mapping[str, int]:
    """How many messages must be rejected, by reason."""
    rejected = site.record().rejected["reason"].value_counts(sort=True)
    return {f"must be {reason}": count for reason, count in rejected.iter_rows()}


def _states(site: Site) -> dict[str, dict[str, tuple[int, Any]]]:
    """Time and value of every signal; the place of a value is that of its last copy."""
    client: MongoClient[dict[str, Any]] = MongoClient(site.mongo.uri, serverSelectionTimeoutMS=10_000)
    try:
        return {
            document["_id"]: {signal: (entry["t"], entry["v"]) for signal, entry in document["s"].items()}
            for document in client[DATABASE]["vehicle_state"].find()
        }
    finally:
        client.close()


def _write_file(site: Site, load: Load) -> int:
    """A recording of some of what was sent, of vehicles that nobody else has; the number of its lines."""
    messages = (load.traffic.message(number) for number in range(load.spec.count))
    wanted = [m.payload.replace(b'"did":"T', b'"did":"F') for m in messages if m.topic == TCU]
    (site.folder / f"{DATED}.jsonl").write_bytes(b"".join(line + b"\n" for line in wanted))
    return len(wanted)


def _replay(site: Site) -> dict[str, dict[str, tuple[int, Any]]]:
    """The state after one replay of the file."""
    done = site.command("replay", str(site.folder / f"{DATED}.jsonl"), "--source", "tcu", "--json")
    report = json.loads(done.stdout)
    assert report["acknowledged"] == report["sent"], report
    site.wait()
    return _states(site)
