"""The comparison that the fault suite rests on: each kind of damage, done on purpose, is found by name."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from deltalake import write_deltalake
from pymongo import MongoClient

from fleetlake.stack.embedded import start_kafka
from lake.settings import MongoSettings
from tests.faults.rig.record import Record, read_record
from tests.faults.rig.traffic import ANOMALIES, CAR, DEAD_LETTERS, MAXIMA, TOPICS, Message, Traffic
from tests.faults.rig.verdict import Verdict, judge

MESSAGES = 400
TRAFFIC = Traffic(1_760_000_000_000)

Row = dict[str, Any]
Document = dict[str, Any]
Damage = Callable[["World"], object]


class World:
    """Everything as it should be after a run without faults: rows, states, letters, anomalies, maxima."""

    def __init__(self, record: Record) -> None:
        self.rows: list[Row] = []
        self.letters: list[tuple[str, Document]] = []
        self.anomalies: list[Document] = []
        for number, place in enumerate(record.messages.select("topic", "partition", "offset").iter_rows()):
            self._land(
                TRAFFIC.message(number), dict(zip(("topic", "partition", "offset"), place, strict=True))
            )
        self.states: dict[str, dict[str, Document]] = {}
        for (vehicle, signal), value in record.newest.items():
            self.states.setdefault(vehicle, {})[signal] = {"t": value.time_us, "v": value.value}
        self.maxima = list(record.maxima.items())

    def _land(self, message: Message, place: Row) -> None:
        self.rows.append({"topic_id": "id", **place, "payload": message.payload, "error": message.reason})
        source = {"source_topic": place["topic"], **{k: place[k] for k in ("partition", "offset")}}
        if message.reason is not None:
            self.letters.append((DEAD_LETTERS[message.topic], source))
        if message.is_overspeed:
            self.anomalies.append({"kind": "overspeed", **source})


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """The first messages of a run, each topic with one partition."""
    ids, counts = list(TOPICS.values()), dict.fromkeys(TOPICS.values(), 0)
    topics, offsets = [], []
    for number in range(MESSAGES):
        topic = TRAFFIC.message(number).topic
        topics.append(ids.index(topic))
        offsets.append(counts[topic])
        counts[topic] += 1
    file = tmp_path / "record.npz"
    np.savez(
        file,
        number=np.arange(MESSAGES),
        topic=np.array(topics, np.int8),
        partition=np.zeros(MESSAGES, np.int32),
        offset=np.array(offsets, np.int64),
    )
    return read_record([(file, TRAFFIC)])


@pytest.fixture
def judged(
    record: Record, mongo_settings: MongoSettings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Writes a world down with plain clients and judges it."""
    server = start_kafka(tmp_path_factory.mktemp("kafka"))

    def judge_world(world: World) -> Verdict:
        write_deltalake(str(tmp_path / "lake/bronze/events"), _table(world.rows))
        client: MongoClient[Document] = MongoClient(mongo_settings.uri)
        states = [{"_id": vehicle, "s": signals} for vehicle, signals in world.states.items()]
        client[mongo_settings.database]["vehicle_state"].insert_many(states)
        client.close()
        _send(server.address, world)
        mongo = (mongo_settings.uri, mongo_settings.database)
        verdict = judge(record, (str(tmp_path / "lake"), {}), mongo, server.address)
        verdict.audit_ok = True
        return verdict

    yield judge_world
    server.stop()


def _table(rows: list[Row]) -> Any:
    schema = {"topic_id": pl.String, "topic": pl.String, "partition": pl.Int32, "offset": pl.Int64,
              "payload": pl.Binary, "error": pl.String}  # fmt: skip
    return pl.DataFrame(rows, schema=schema).to_arrow()


def _send(address: str, world: World) -> None:
    topics = {*DEAD_LETTERS.values(), ANOMALIES, MAXIMA}
    admin = AdminClient({"bootstrap.servers": address})
    for made in admin.create_topics([NewTopic(topic, 1) for topic in topics]).values():
        made.result(10)
    producer = Producer({"bootstrap.servers": address})
    for topic, letter in world.letters:
        producer.produce(topic, json.dumps(letter))
    for anomaly in world.anomalies:
        producer.produce(ANOMALIES, json.dumps(anomaly))
    for vehicle, pressure in world.maxima:
        producer.produce(MAXIMA, json.dumps({"pressureMax": pressure}), vehicle)
    assert producer.flush(10) == 0


def test_a_world_without_damage_is_clean(record: Record, judged: Callable[[World], Verdict]) -> None:
    """Every number that is promised to be zero is zero, and everything was counted."""
    verdict = judged(World(record))
    assert verdict.is_clean, verdict
    assert verdict.acknowledged == verdict.rows == MESSAGES
    assert verdict.dead_letters == record.rejected.height > 5
    assert verdict.anomalies > 2
    assert verdict.states == len(record.newest) > 100


def _spoil_state(world: World, field: str) -> None:
    signals = next(iter(world.states.values()))
    entry = next(iter(signals.values()))
    entry[field] += 1


DAMAGES: Mapping[str, tuple[Damage, str]] = {
    "a lost row": (lambda world: world.rows.pop(), "missing"),
    "a row twice": (lambda world: world.rows.append(world.rows[0]), "doubled"),
    "other bytes": (lambda world: world.rows[3].update(payload=b"{}"), "altered"),
    "a row of nothing": (
        lambda world: world.rows.append(world.rows[0] | {"offset": 9999}),
        "unexpected_rows",
    ),
    "a good row rejected": (
        lambda world: next(r for r in world.rows if r["error"] is None).update(error="bad_type"),
        "judged_differently",
    ),
    "a bad row accepted": (
        lambda world: next(r for r in world.rows if r["error"] is not None).update(error=None),
        "judged_differently",
    ),
    "an older value": (lambda world: _spoil_state(world, "t"), "state_mismatches"),
    "another value": (lambda world: _spoil_state(world, "v"), "state_mismatches"),
    "a vehicle without state": (lambda world: world.states.popitem(), "state_mismatches"),
    "a lost letter": (lambda world: world.letters.pop(), "dead_letters_missing"),
    "a letter twice": (lambda world: world.letters.append(world.letters[0]), "dead_letters_doubled"),
    "a letter of a good message": (
        lambda world: world.letters.append(
            (DEAD_LETTERS[CAR], {"source_topic": CAR, "partition": 7, "offset": 7})
        ),
        "dead_letters_doubled",
    ),
    "a lost anomaly": (lambda world: world.anomalies.pop(), "anomalies_missing"),
    "an anomaly twice": (lambda world: world.anomalies.append(world.anomalies[0]), "anomalies_doubled"),
    "a maximum that fell": (
        lambda world: world.maxima.append((world.maxima[0][0], world.maxima[0][1] - 1)),
        "maxima_wrong",
    ),
    "a lost maximum": (lambda world: world.maxima.pop(), "maxima_wrong"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(damage: str, record: Record, judged: Callable[[World], Verdict]) -> None:
    """Each kind is counted under its own name, and the verdict is no longer clean."""
    act, name = DAMAGES[damage]
    world = World(record)
    act(world)
    verdict = judged(world)
    assert getattr(verdict, name) >= 1, verdict
    assert not verdict.is_clean
