"""Cars and pressure sensors with topics of their own, what was sent, and what routes must make of it."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from broker.admin import Admin
from broker.offsets import group_offsets
from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import Headers, TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import load_registry
from contracts.registry import Registry
from ingest.process import Stop
from ingest.routes_run import run
from ingest.settings import IngestSettings
from lake.settings import LakeSettings, MongoSettings
from tests.ingest.sink_process import Site

SOURCES = ("car", "pressure")


def registry_of(suffix: str) -> Registry:
    """The contracts `car` and `pressure` with their topics renamed."""
    base = load_registry()
    contracts = {}
    for name in SOURCES:
        contract = base.contracts[name]
        sources = {f"{topic}.{suffix}": each for topic, each in contract.source_topics.items()}
        outputs = {
            kind: output.model_copy(update={"topic": f"{output.topic}.{suffix}"})
            for kind in ("dead_letters", "anomalies", "metrics", "maximum")
            if (output := getattr(contract, kind)) is not None
        }
        if contract.anomalies is None:
            outputs["anomalies"] = base.contracts["car"].anomalies.model_copy(  # type: ignore[union-attr]
                update={"topic": f"{name}.anomaly.{suffix}"}
            )
        contracts[name] = contract.model_copy(update={"source_topics": sources, **outputs})
    return Registry(base.catalog, contracts, base.limits)


class Sent(NamedTuple):
    """A message of a source, with the offset it must have."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


class Got(NamedTuple):
    """A message that a read-committed reader sees."""

    partition: int
    offset: int
    key: bytes | None
    headers: Headers | None
    value: bytes | None

    def place(self, topic: str) -> TopicPartition:
        return TopicPartition(topic, self.partition)

    def place_of(self, topic: str) -> tuple[str, int, int]:
        return topic, self.partition, self.offset

    @property
    def source(self) -> tuple[str, int, int]:
        """Of a dead letter."""
        return self.fields["source_topic"], self.fields["partition"], self.fields["offset"]

    @property
    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.value or b"")
        return found


@dataclass
class Fleet:
    """Sends by partition, so that offsets are known; reads what is committed."""

    kafka: KafkaSettings
    ingest: IngestSettings
    suffix: str
    seed: str | None = None
    registry: Registry = field(init=False)
    sent: list[Sent] = field(default_factory=list)
    bad: list[Sent] = field(default_factory=list)
    greatest: dict[str, float] = field(default_factory=dict)
    counted: dict[str, int] | None = None
    """What the counters add up to, where it is not the number of messages sent."""
    twice: int = 0
    """Letters that are expected to be there twice."""
    _ends: dict[TopicPartition, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registry = registry_of(self.suffix)
        self._producer = Producer(self.kafka)
        self._random = random.Random(self.seed or self.suffix)  # noqa: S311 - reproducible traffic

    @property
    def site(self) -> Site:
        """Routes needs neither a lake nor MongoDB."""
        return Site(self.kafka, MongoSettings(), LakeSettings(), self.ingest, self.registry)

    def create_topics(self) -> None:
        Topics(self.kafka).create(specs_from(self.registry, self.kafka))

    def topic(self, source: str) -> str:
        return self.registry.contracts[source].topics[0]

    def send(
        self,
        source: str,
        value: bytes | None,
        *,
        key: bytes | None = b"k",
        headers: Sequence[tuple[str, bytes | None]] | None = None,
        is_bad: bool = False,
        partition: int | None = None,
    ) -> Sent:
        """Queues one message for a partition."""
        topic = self.topic(source)
        if partition is None:
            partition = self._random.randrange(
                self.registry.contracts[source].source_topics[topic].partitions
            )
        place = TopicPartition(topic, partition)
        self._producer.send(topic, key, value, headers, partition=partition)
        sent = Sent(topic, partition, self._ends.get(place, 0), value)
        self._ends[place] = sent.offset + 1
        self.sent.append(sent)
        if is_bad:
            self.bad.append(sent)
        return sent

    def send_traffic(
        self, count: int, *, vehicles: int = 10, bad: float = 0.05, up_to: float = 900_000.0
    ) -> None:
        """Readings of pressure sensors, cars, and a share of messages that are neither."""
        for _ in range(count):
            number = self._random.randrange(vehicles)
            if self._random.random() < bad:
                source = self._random.choice(SOURCES)
                self.send(source, b'{"broken": %d' % self._random.randrange(10**9), is_bad=True)
            elif self._random.random() < 0.3:
                self.send("car", car(f"CAR_{number:03}", speed=self._random.uniform(0, 170)))
            else:
                sensor = f"honda{number}-{self._random.randrange(1000)}"
                self.send_pressure(f"HONDA {number}", round(self._random.uniform(100_000.0, up_to)), sensor)
        self.flush()

    def send_pressure(self, vehicle: str, pressure: float, sensor: str = "honda1") -> Sent:
        self.greatest[vehicle] = max(pressure, self.greatest.get(vehicle, 0.0))
        return self.send("pressure", pressure_reading(vehicle, pressure, sensor), key=sensor.encode())

    def flush(self) -> None:
        self._producer.flush()
        assert self._producer.failed == 0

    def catch_up(self, **changes: Any) -> None:
        """One process, until everything that was sent is routed."""
        settings = self.ingest.model_copy(update=changes)
        run(self.kafka, settings, self.registry, stop=Stop(), until_caught_up=True)

    def members(self) -> set[int]:
        """Process ids of all that have a slot, or were killed while they had one."""
        assert self.ingest.runtime_dir is not None
        slots = self.ingest.runtime_dir.glob(f"{self.kafka.group_prefix}.routes.slot-*")
        return {int((slot.read_text().split() or ["0"])[0]) for slot in slots}

    def expect_what_is_left(self) -> None:
        """After the embedded broker took back what it had acknowledged, before anything is routed again: what
        follows from the messages, outputs and offsets that it came back with. They are not all of one moment:
        a letter may be gone, and the offset that was stored with it be there, or the reverse."""
        done = group_offsets(self.kafka, "routes")
        left = {
            topic: [each for each in self.read(topic) if each.offset >= done.get(each.place(topic), 0)]
            for topic in (self.topic("car"), self.topic("pressure"), self.internal_topic)
        }
        again = {each.place_of(topic) for topic, found in left.items() for each in found}
        letters = {letter.source for letter in self.dead_letters()}
        self.bad = [each for each in self.bad if each[:3] in letters | again]
        self.twice = len(letters & again)
        cars = left[self.topic("car")]
        bad = {each[:3] for each in self.bad}
        self.counted = {
            "processed": self._sum("processed") + len(cars),
            "invalid": self._sum("invalid") + sum(each.place_of(self.topic("car")) in bad for each in cars),
        }
        self.greatest = {}
        documents = [each.fields for each in (*self.maxima(), *left[self.internal_topic])]
        values = [(each["vehicleId"], each["pressureMax"]) for each in documents]
        values += [
            (each.fields["vehicleId"], each.fields["pressure"])
            for each in left[self.topic("pressure")]
            if b"vehicleId" in (each.value or b"")
        ]
        for vehicle, pressure in values:
            self.greatest[vehicle] = max(pressure, self.greatest.get(vehicle, 0.0))

    def _sum(self, name: str) -> int:
        return sum(each.fields[name] for each in self.counters())

    # -- what came out ------------------------------------------------------------------------------------

    def read(self, topic: str) -> list[Got]:
        """Everything committed, partition by partition in offset order."""
        return list(self._read(topic))

    def dead_letters(self) -> list[Got]:
        return [
            each for name in SOURCES for each in self.read(self.registry.contracts[name].dead_letter_topic)
        ]

    def anomalies(self) -> list[Got]:
        return [each for name in SOURCES for each in self.read(self.registry.contracts[name].anomaly_topic)]

    def maxima(self) -> list[Got]:
        return self.read(self.maximum_topic)

    def counters(self) -> list[Got]:
        topic = self.registry.contracts["car"].metrics_topic
        assert topic is not None
        return self.read(topic)

    @property
    def maximum_topic(self) -> str:
        output = self.registry.contracts["pressure"].maximum
        assert output is not None
        return output.topic

    @property
    def internal_topic(self) -> str:
        output = self.registry.contracts["pressure"].maximum
        assert output is not None
        return output.rekey_topic

    def _read(self, topic: str) -> Iterator[Got]:
        with PartitionReader(self.kafka) as reader:
            for partition in Admin(self.kafka).partitions([topic]):
                low, _ = reader.ends(partition)
                for run_ in reader.read(partition, low):
                    rows = zip(run_.offsets, run_.keys, run_.headers, run_.values, strict=True)
                    for offset, key, headers, value in rows:
                        yield Got(partition.partition, offset, key, headers, value)


def problems(fleet: Fleet) -> dict[str, Any]:
    """What a plain computation over all sent messages finds wrong in what routes wrote; empty is right."""
    found: dict[str, Any] = {}
    places = [letter.source for letter in fleet.dead_letters()]
    wanted = {(each.topic, each.partition, each.offset) for each in fleet.bad}
    found["dead_letters_lost"] = sorted(wanted - set(places))
    found["dead_letters_extra"] = sorted(set(places) - wanted)
    found["dead_letters_doubled"] = len(places) - len(set(places)) - fleet.twice
    highest: dict[str, float] = {}
    falling = []
    for each in fleet.maxima():
        vehicle, value = each.fields["vehicleId"], each.fields["pressureMax"]
        if value <= highest.get(vehicle, -1.0):
            falling.append((vehicle, highest[vehicle], value, each.partition, each.offset))
        highest[vehicle] = max(value, highest.get(vehicle, -1.0))
    found["maxima_not_rising"] = falling
    found["maxima_wrong"] = {
        vehicle: (value, highest.get(vehicle)) for vehicle, value in fleet.greatest.items()
        if highest.get(vehicle) != value
    }  # fmt: skip
    cars = [each for each in fleet.sent if each.topic == fleet.topic("car")]
    sent = {"processed": len(cars), "invalid": sum(each.topic == fleet.topic("car") for each in fleet.bad)}
    for name, value in (fleet.counted or sent).items():
        total = fleet._sum(name)
        if total != value:
            found[f"counter_{name}"] = (value, total)
    return {name: problem for name, problem in found.items() if problem}


def car(car_id: str = "CAR_001", **changes: float) -> bytes:
    """A valid snapshot of a car."""
    event: Mapping[str, Any] = {
        "car_id": car_id,
        "timestamp": "2026-02-25T21:28:17.376062+00:00",
        "speed": 59.83,
        "rpm": 2947,
        "engine_temp": 95.79,
        "fuel_level": 33.73,
        "latitude": 52.486,
        "longitude": 13.484548,
    }
    return json.dumps({**event, **changes}).encode()


def pressure_reading(vehicle: str, pressure: float, sensor: str = "honda1") -> bytes:
    """A valid reading of a pressure sensor."""
    event = {
        "timestamp": "2025-07-22 22:30:45.123Z",
        "pressure": pressure,
        "temperature": 25.5,
        "sensorId": sensor,
        "vehicleId": vehicle,
    }
    return json.dumps(event).encode()


def project_root() -> Path:
    return Path(__file__).resolve().parents[2]
