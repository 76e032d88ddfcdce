"""What the ingest benchmark sends: full-size `tcu` messages, some cut off, and pressure readings."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from contracts.load import load_registry
from contracts.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
VEHICLES = 1_000
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MIXED_TOPIC = "telemetry_raw_mixed"
PRESSURE_SHARE = 5
"""One in so many messages of the mixed load is a pressure reading."""


def tcu_messages(count: int, seed: int, bad_share: float) -> Iterator[tuple[str, bytes]]:
    """(key, value) of full-size messages, a share of them cut off in the middle."""
    rng = random.Random(seed)
    names = ("odometer", "soc", "speed", "ignition_status")
    for number in range(count):
        moment = EPOCH + timedelta(milliseconds=3 * number)
        event = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        late = moment + timedelta(milliseconds=rng.randrange(900))
        received = late.strftime("%Y-%m-%dT%H:%M:%S.") + f"{late.microsecond // 1000:03d}Z"
        vehicle = str(1000 + rng.randrange(VEHICLES))
        name = rng.choice(names)
        value = rng.randrange(2) if name == "ignition_status" else rng.random() * 100
        text = (
            f'{{"did":"{vehicle}","timestamp":"{int(moment.timestamp() * 1000)}","name":"{name}",'
            f'"value_type":"0","float_value":{value:.2f},"string_value":"","int_value":"0",'
            f'"eventTime":"{event}","receivedTime":"{received}","firmware":"tcu-3.14.{number % 7}"}}'
        )
        if rng.random() < bad_share:
            text = text[: len(text) // 2]
        yield vehicle, text.encode()


def pressure_messages(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(key, value) of pressure readings of 10 vehicles with 1,000 sensors each, 5 % of them spikes."""
    rng = random.Random(seed)
    for number in range(count):
        moment = EPOCH + timedelta(milliseconds=3 * number)
        vehicle, sensor = rng.randrange(10), rng.randrange(1000)
        pressure = 850_000 + rng.randrange(40_000) + (rng.randrange(200_000) if rng.random() < 0.05 else 0)
        text = (
            f'{{"timestamp":"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z",'
            f'"pressure":{pressure},'
            f'"temperature":{20 + rng.random() * 10:.1f},"sensorId":"honda{vehicle}{sensor:03d}",'
            f'"vehicleId":"HONDA {vehicle}"}}'
        )
        yield f"honda{vehicle}{sensor:03d}", text.encode()


def fill(address: str, topic: str, partitions: int, messages: Iterator[tuple[str, bytes]]) -> int:
    """Creates `topic` and fills it; returns the number of messages the broker acknowledged."""
    admin = AdminClient({"bootstrap.servers": address})
    config = {"message.timestamp.type": "LogAppendTime"}
    for future in admin.create_topics([NewTopic(topic, num_partitions=partitions, config=config)]).values():
        future.result()
    producer = Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "linger.ms": 50,
            "batch.size": 1024 * 1024,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 500_000,
        }
    )
    sent = 0
    for key, value in messages:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 10_000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    assert left == 0, f"{left} messages were not acknowledged"
    return sent


def fill_topics(address: str, count: int, sinks: Sequence[str]) -> dict[str, list[str]]:
    """Fills what the sinks read: one tcu topic for history and state, and a mixed load for routes and for all
    three at once."""
    topics: dict[str, list[str]] = {}
    if {"history", "state"} & set(sinks):
        fill(address, "telemetry_raw", 6, tcu_messages(count, 1, bad_share=0.0))
        topics |= {"history": ["telemetry_raw"], "state": ["telemetry_raw"]}
    if {"routes", "together"} & set(sinks):
        pressures = count // PRESSURE_SHARE
        bad_share = 0.05 * count / (count - pressures)
        fill(address, MIXED_TOPIC, 6, tcu_messages(count - pressures, 2, bad_share))
        fill(address, "sensor_pressure_stream", 6, pressure_messages(pressures, 3))
        topics |= {key: [MIXED_TOPIC, "sensor_pressure_stream"] for key in ("routes", "together")}
    return topics


def registry_of(topics: list[str], scratch: Path) -> Registry:
    """The contracts of these topics; `tcu_mixed` is `tcu` under another name."""
    tcu = (ROOT / "contracts" / "sources" / "tcu.yml").read_text()
    mixed = scratch / "tcu_mixed.yml"
    mixed.write_text(tcu.replace("name: tcu\n", "name: tcu_mixed\n").replace("telemetry_raw", MIXED_TOPIC))
    registry = load_registry([mixed])
    wanted = {name: each for name, each in registry.contracts.items() if set(each.topics) & set(topics)}
    return Registry(registry.catalog, wanted, registry.limits)
