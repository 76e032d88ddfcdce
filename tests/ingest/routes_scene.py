"""A routes sink over a Kafka in memory, whose clock and whose topics' lives a test moves."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from broker.errors import (
    Abortable,
    BrokerError,
)
from broker.record import TopicPartition
from contracts.load import load_registry
from contracts.registry import Registry
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics
from ingest.process import logger
from ingest.router import Router, maxima_of
from ingest.routes import RoutesSink
from ingest.routes_places import RoutesPlaces
from ingest.routes_transaction import Transaction
from ingest.settings import IngestSettings
from ingest.topic_lives import TopicLives
from tests.ingest.fake_kafka import FakeConsumer, FakeKafka

BASE = load_registry()
REGISTRY = Registry(BASE.catalog, {name: BASE.contracts[name] for name in ("car", "pressure")}, BASE.limits)
OUTPUT = REGISTRY.contracts["pressure"].maximum
assert OUTPUT is not None
MAXIMA = OUTPUT.topic
A, B = (TopicPartition("car.telemetry.v1", number) for number in (0, 1))
PRESSURE = TopicPartition("sensor_pressure_stream", 0)
INTERNAL = TopicPartition(OUTPUT.rekey_topic, 0)
LETTERS = "car.telemetry.dlq.v1"
COUNTERS = "car.telemetry.metrics.v1"
REFUSED = Abortable("id", "commit", "refused")


class Identities:
    """Every topic is the same until `life` changes."""

    life = "first"

    def read(self, topics: Sequence[str]) -> Mapping[str, str]:
        return {topic: f"{self.life}.{topic}" for topic in topics}


class Clock:
    """Time passes when the sink pauses, and when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


class Scene:
    """A sink over a Kafka in memory. A transaction stays open until a test lets its time pass."""

    def __init__(
        self, kafka: FakeKafka | None = None, *, period_seconds: float = 0.0, **settings: Any
    ) -> None:
        self.kafka = kafka or FakeKafka()
        self.consumer = FakeConsumer(self.kafka)
        self.clock, self.identities = Clock(), Identities()
        self.metrics = SinkMetrics("routes")
        maxima = maxima_of(REGISTRY)
        log = logger("routes")
        topics = [A.topic, PRESSURE.topic, INTERNAL.topic, MAXIMA]
        lives = TopicLives(self.identities, topics, period_seconds, self.clock)
        places = RoutesPlaces(
            self.consumer, self.kafka.outputs(), maxima, lambda partition, low, high: low, self.metrics,
            log, restore_seconds=5.0, end_abandoned=lambda: None, clock=self.clock, pause=self.clock.pause,
            lives=lives.of_offsets,
        )  # fmt: skip
        self.sink = RoutesSink(
            self.consumer, Transaction(self.kafka, lambda: None, clock=self.clock),
            Router(REGISTRY, RunDecoder(REGISTRY, self.metrics), maxima), places,
            lives,
            IngestSettings(transaction_seconds=1.0, **settings), self.metrics, log,
            clock=self.clock, pause=self.clock.pause,
        )  # fmt: skip
        self.consumer.listener = self.sink

    def owning(self, *partitions: TopicPartition) -> "Scene":
        """With these partitions assigned before the first poll."""
        self.consumer.assign(*partitions)
        self.sink.step()
        return self

    def commit(self) -> None:
        """The transaction's time passes, and it is committed at the next turn."""
        self.clock.now += 1.0
        self.sink.step()

    def settle(self, turns: int = 10) -> None:
        """As many turns as anything could take."""
        for _ in range(turns):
            self.commit()

    def offsets(self) -> dict[TopicPartition, int]:
        """Where the group has come to; beginnings are left out."""
        return {partition: offset for partition, offset in self.kafka.offsets.items() if offset}

    def letters(self) -> list[tuple[int, int]]:
        """(partition, offset) of every dead letter that a reader sees."""
        found = map(json.loads, self.kafka.values(LETTERS))
        return sorted((letter["partition"], letter["offset"]) for letter in found)

    def maxima(self) -> list[tuple[str, float]]:
        found = map(json.loads, self.kafka.values(MAXIMA))
        return [(document["vehicleId"], document["pressureMax"]) for document in found]


def bad(count: int) -> list[bytes | None]:
    return [b"{"] * count


def places(partition: TopicPartition, count: int) -> list[tuple[int, int]]:
    return [(partition.partition, offset) for offset in range(count)]


def raising(*errors: BrokerError) -> list[Callable[[], None]]:
    def one(error: BrokerError) -> Callable[[], None]:
        def fail() -> None:
            raise error

        return fail

    return [one(error) for error in errors]


# -- the ordinary way ------------------------------------------------------------------------------------
