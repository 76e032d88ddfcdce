"""A fleet of which every reading is remembered, the state it must give, and the state process."""

import json
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from broker.offsets import group_offsets
from broker.producer import Producer
from broker.settings import KafkaSettings
from broker.topic_specs import TopicSpec
from broker.topics import Topics
from contracts.load import load_registry
from contracts.registry import Registry
from ingest import history_run, state_run
from ingest.process import Stop
from ingest.settings import IngestSettings
from ingest.state_rebuild import rebuild
from lake.settings import LakeSettings, MongoSettings
from lake.state import StateStore
from lake.state_model import Entry, maximum_order, state_order
from tests.ingest.in_thread import in_healthy_thread
from tests.ingest.topics import make_topic_again

PARTITIONS = 3


BASE_MS = 1_761_559_635_000


SIGNALS = ("speed", "odometer", "soc")


QUICK = IngestSettings(state_flush_ms=20, shutdown_seconds=5.0, revoke_seconds=5.0)


CHANCE = random.Random(20251027)  # noqa: S311 - only that there are many readings matters


States = dict[str, tuple[dict[str, Entry], dict[str, Entry]]]


class Crash(BaseException):
    """The process is gone: nothing of ours catches it."""


@dataclass
class Fleet:
    """A topic of its own with the tcu contract, what was sent to it, and the state that this must give."""

    kafka: KafkaSettings
    mongo: MongoSettings
    lake: LakeSettings
    topic: str
    registry: Registry
    sent: list[tuple[str, str, Entry]] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def send(self, readings: Sequence[tuple[str, str, int, float]]) -> None:
        """(vehicle, signal, milliseconds after the base time, value), to any partition."""
        producer = Producer(self.kafka)
        for vehicle, signal, milliseconds, value in readings:
            partition = CHANCE.randrange(PARTITIONS)
            time_ms = BASE_MS + milliseconds
            event = {"did": vehicle, "timestamp": time_ms, "name": signal, "float_value": value}
            producer.send(self.topic, vehicle.encode(), json.dumps(event).encode(), partition=partition)
            offset = self.ends.get(partition, 0)
            self.ends[partition] = offset + 1
            self.sent.append(
                (vehicle, signal, Entry(time_ms * 1000, value, f"{self.topic}/{partition}", offset))
            )
        producer.flush()

    def send_random(self, count: int, vehicles: int = 20) -> None:
        """Late, doubled and equal ones among them."""
        self.send(
            [
                (
                    f"v{CHANCE.randrange(vehicles)}", CHANCE.choice(SIGNALS),
                    CHANCE.randrange(count), float(CHANCE.randrange(40)),
                )
                for _ in range(count)
            ]
        )  # fmt: skip

    def expected(self) -> States:
        """What the definition says, message by message."""
        states: States = {}
        for vehicle, signal, entry in self.sent:
            latest, greatest = states.setdefault(vehicle, ({}, {}))
            latest[signal] = max(latest.get(signal, entry), entry, key=state_order)
            if self.registry.catalog[signal].track_max:
                greatest[signal] = max(greatest.get(signal, entry), entry, key=maximum_order)
        return states

    def found(self) -> States:
        """What MongoDB holds."""
        with StateStore(self.mongo) as store:
            return {state.vehicle_id: (dict(state.signals), dict(state.maxima)) for state in store.read_all()}

    def begin_anew(self) -> None:
        """Another life of the topic: a broker without topic ids lost its log, or the topic was made again,
        and what was sent is forgotten."""
        if self.kafka.incarnation_file is None:
            make_topic_again(self.kafka, self.topic, PARTITIONS)
            self.sent.clear()
            self.ends.clear()
        else:
            self.kafka.incarnation_file.write_text("next life")

    def catch_up(self, **changes: Any) -> None:
        """A state process from start to the log's end of now."""
        settings = QUICK.model_copy(update=changes)
        state_run.run(self.kafka, self.mongo, settings, self.registry, stop=Stop(), until_caught_up=True)

    def land(self) -> None:
        """A history process from start to the log's end of now."""
        history_run.run(self.kafka, self.lake, QUICK, self.registry, stop=Stop(), until_caught_up=True)

    def rebuild(self) -> None:
        """The state anew from the history."""
        rebuild(self.kafka, self.mongo, self.lake, self.registry)

    def committed(self) -> dict[int, int]:
        """The group's offsets, where there are messages."""
        offsets = group_offsets(self.kafka, "state")
        return {key.partition: offset for key, offset in offsets.items() if offset}


def fleet_of(
    kafka_settings: KafkaSettings, mongo_settings: MongoSettings, lake_settings: LakeSettings, topic_name: str
) -> Fleet:
    """A fleet whose topic is empty."""
    base = load_registry()
    catalog = type(base.catalog)(
        {name: spec.model_copy(update={"track_max": name == "speed"}) for name, spec in base.catalog.items()}
    )
    settings = base.contracts["tcu"].source_topics["telemetry_raw"]
    contract = base.contracts["tcu"].model_copy(update={"source_topics": {topic_name: settings}})
    Topics(kafka_settings).create([TopicSpec(topic_name, PARTITIONS)])
    registry = Registry(catalog, {"tcu": contract})
    return Fleet(kafka_settings, mongo_settings, lake_settings, topic_name, registry)


def running(fleet: Fleet, mongo: MongoSettings | None = None, **changes: Any) -> AbstractContextManager[Stop]:
    """A state process in a thread, stopped at the end of the block; its error is raised there."""
    settings = QUICK.model_copy(update=changes)

    def run(stop: Stop) -> None:
        state_run.run(fleet.kafka, mongo or fleet.mongo, settings, fleet.registry, stop=stop)

    return in_healthy_thread(run, "a-state-process")


def crash_at_call(patch: pytest.MonkeyPatch, owner: type, name: str, calls_before: int) -> None:
    """The method works `calls_before` times, and ends the process at the next call."""
    original, calls = getattr(owner, name), count()

    def crashing(self: Any, *arguments: Any, **named: Any) -> Any:
        if next(calls) >= calls_before:
            raise Crash
        return original(self, *arguments, **named)

    patch.setattr(owner, name, crashing)
