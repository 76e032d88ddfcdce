"""A fleet in trouble: every second message is bad, messages are as large as the broker takes, and one vehicle
sends names of signals that nobody has seen before. Nobody else suffers, and memory has a bound."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bson
from confluent_kafka import KafkaError, Producer
from pymongo import MongoClient

from tests.faults.case import Outcome, case
from tests.faults.rig.memory import Memory
from tests.faults.rig.message import TCU
from tests.faults.rig.sinks import SINKS
from tests.faults.rig.site import BEFORE_NOW_MS, DATABASE, Load, Site
from tests.faults.rig.storms import NAMES_A_MESSAGE, STORM_VEHICLE, TOPIC_BYTES
from tests.faults.rig.traffic import Traffic
from tests.faults.rig.trial import ENDLESS, Trial, trial

GROUP = "Storms"
STORM_SECONDS = 60.0
MOST_MIB = 1024
MOST_GROWTH_MIB = 128
MOST_STATE_BYTES = 4_096
NAMES_RATE = 1_000.0
LARGE_RATE = 8.0
AS_LARGE_AS_THE_TOPIC = {"message.max.bytes": TOPIC_BYTES, "compression.type": "none"}
TOO_LARGE = (TOPIC_BYTES + 1, 2 * TOPIC_BYTES)
ANSWER_SECONDS = 60.0
ZERO = "Nothing lost, nothing doubled; no sink is ever more than 20 s behind, ends, or has more than 1 GiB"


@case(
    GROUP,
    f"Every second message is bad, for 60 s: all are rows, half of them dead letters, each once. {ZERO}",
)
def poison_storm(site: Site, scale: float) -> Outcome:
    """Of every kind that the sources know."""
    with trial(site, scale, traffic=_traffic(site, bad=0.5)) as run, _storm(run) as storm:
        run.hold(STORM_SECONDS)
    record = site.record()
    share = record.rejected.height / len(record)
    return storm.outcome({"bad": f"{share:.0%}"}, {"half of them were bad": share > 0.4})


@case(
    GROUP,
    "Messages at the limits, half of them good, beside ordinary traffic: of 256 KiB, which are read; of one "
    "byte more and up to the topic's `max.message.bytes` of 1 MiB, which become dead letters of at most 64 "
    f"KiB, with their whole bytes in bronze. What is larger is refused to its producer, and no more. {ZERO}",
)
def messages_at_the_limits(site: Site, scale: float) -> Outcome:
    """Sent as they are: compression would make them small."""
    with trial(site, scale) as run, _storm(run) as storm:
        large = _beside(run, LARGE_RATE * scale, ("large",), 0.5, AS_LARGE_AS_THE_TOPIC)
        run.hold(STORM_SECONDS)
        refused = [_refusal(site, size) for size in TOO_LARGE]
        sent = large.stop()["acknowledged"]
    return storm.outcome(
        {"large messages": sent, "refused to the producer": len(refused)},
        {
            "more than the limit is refused": set(refused) == {KafkaError.MSG_SIZE_TOO_LARGE},
            "large messages were sent": sent >= 10,
        },
    )


@case(
    GROUP,
    "One vehicle sends thousands of names a second that no contract knows, one a message and ten a message, "
    "some too long and some too many: every message is a row, no such name is in the vehicle's state, whose "
    f"document stays below 4 KiB, and memory stops growing. {ZERO}",
)
def a_thousand_new_names_a_second(site: Site, scale: float) -> Outcome:
    """Beside ordinary traffic."""
    with trial(site, scale) as run, _storm(run) as storm:
        names = _beside(run, NAMES_RATE * scale, ("new name long", "new names wide"), 0.02)
        run.hold(STORM_SECONDS)
        sent = names.stop()["acknowledged"]
    size = _state_bytes(site)
    grown = {sink: storm.memory.growth_mib(sink) for sink in SINKS}
    return storm.outcome(
        {
            "names": f"about {sent * (NAMES_A_MESSAGE + 1) // 2:,}",
            "state of the vehicle": f"{size} bytes",
            **{f"growth of {sink}": f"{mib} MiB" for sink, mib in grown.items()},
        },
        {
            "the state is bounded": 0 < size <= MOST_STATE_BYTES,
            "memory stops growing": max(grown.values()) <= MOST_GROWTH_MIB,
        },
    )


@dataclass
class Storm:
    """What is watched while it lasts."""

    run: Trial
    memory: Memory
    recovery_s: float = 0.0

    def outcome(self, facts: dict[str, Any], happened: dict[str, bool]) -> Outcome:
        peaks = {sink: self.memory.peak_mib(sink) for sink in SINKS}
        return self.run.outcome(
            None,
            self.recovery_s,
            {**facts, **{f"memory of {sink}": f"{mib} MiB" for sink, mib in peaks.items()}},
            {
                **happened,
                "no sink has more than 1 GiB": max(peaks.values()) <= MOST_MIB,
                "no sink ended": not self.run.site.sinks.unasked(),
            },
        )


@contextmanager
def _storm(run: Trial) -> Iterator[Storm]:
    with Memory(run.site.sinks) as memory:
        storm = Storm(run, memory)
        with run.fault():
            yield storm
        storm.recovery_s = max(run.recover(sink) for sink in SINKS)


def _traffic(site: Site, **values: Any) -> Traffic:
    return Traffic(site.began_ms - BEFORE_NOW_MS, **values)


def _beside(
    run: Trial, rate: float, sources: tuple[str, ...], bad: float, producer: dict[str, Any] | None = None
) -> Load:
    """Another producer; its messages happen at the same time as those of the endless one, whose numbers come
    before its own."""
    traffic = Traffic(run.site.began_ms - BEFORE_NOW_MS - ENDLESS, sources=sources, bad=bad)
    return run.site.load(ENDLESS, rate, traffic=traffic, producer=producer or {})


def _refusal(site: Site, size: int) -> int | None:
    """What the broker says to a message of that size; None if it takes it."""
    said: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": site.kafka.address, "message.max.bytes": 4 * TOPIC_BYTES})
    producer.produce(TCU, b"x" * size, on_delivery=lambda error, _: said.append(error))
    assert producer.flush(ANSWER_SECONDS) == 0, "the broker did not answer"
    return None if said[0] is None else int(said[0].code())


def _state_bytes(site: Site) -> int:
    with MongoClient[dict[str, Any]](site.mongo.uri, serverSelectionTimeoutMS=60_000) as client:
        document = client[DATABASE]["vehicle_state"].find_one({"_id": STORM_VEHICLE})
    return 0 if document is None else len(bson.encode(document))
