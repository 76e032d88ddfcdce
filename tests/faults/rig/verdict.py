"""What became of what was acknowledged, read with plain clients: rows of bronze by the Delta reader, states
by the MongoDB driver, dead letters and anomalies by a read-committed consumer. None of the product's own
readers."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from zlib import crc32

import polars as pl
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from deltalake import DeltaTable
from pymongo import MongoClient

from tests.faults.rig.record import PLACE, Record
from tests.faults.rig.traffic import ANOMALIES, DEAD_LETTERS, MAXIMA

READ_SECONDS = 60.0
COLUMNS = ["topic_id", *PLACE, "payload", "error"]


@dataclass
class Verdict:
    """Numbers of one run; `is_clean` where all that are promised to be zero are zero."""

    acknowledged: int = 0
    rows: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    unexpected_rows: int = 0
    """Rows of messages that were never acknowledged to the producer."""
    judged_differently: int = 0
    """Rows whose rejection differs from the truth."""
    states: int = 0
    state_mismatches: int = 0
    dead_letters: int = 0
    dead_letters_missing: int = 0
    dead_letters_doubled: int = 0
    anomalies: int = 0
    anomalies_missing: int = 0
    anomalies_doubled: int = 0
    maxima_wrong: int = 0
    audit_ok: bool = False
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        zeros = ("missing", "doubled", "altered", "unexpected_rows", "judged_differently", "state_mismatches",
                 "dead_letters_missing", "dead_letters_doubled", "anomalies_missing", "anomalies_doubled",
                 "maxima_wrong")  # fmt: skip
        return self.audit_ok and not any(getattr(self, name) for name in zeros)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(
    record: Record, lake: tuple[str, Mapping[str, str]], mongo: tuple[str, str], brokers: str
) -> Verdict:
    """Compares everything; the audit is asked by the caller."""
    verdict = Verdict(acknowledged=len(record))
    _judge_rows(verdict, record, *lake)
    _judge_states(verdict, record, *mongo)
    _judge_letters(verdict, record, brokers)
    _judge_anomalies(verdict, record, brokers)
    _judge_maxima(verdict, record, brokers)
    return verdict


def bronze_rows(uri: str, options: Mapping[str, str]) -> pl.DataFrame:
    """topic_id, topic, partition, offset, crc, size, error of every row."""
    dataset = DeltaTable(f"{uri}/bronze/events", storage_options=dict(options)).to_pyarrow_dataset()
    batches = []
    for batch in dataset.to_batches(columns=COLUMNS, batch_size=50_000):
        payloads = batch.column("payload").to_pylist()
        table = pa.table(batch.drop_columns(["payload"]))
        batches.append(
            pl.DataFrame(table).with_columns(
                pl.Series("crc", [crc32(p or b"") for p in payloads], pl.UInt32),
                pl.Series("size", [len(p or b"") for p in payloads], pl.Int64),
            )
        )
    return pl.concat([b.with_columns(pl.col("partition").cast(pl.Int32)) for b in batches])


def _judge_rows(verdict: Verdict, record: Record, uri: str, options: Mapping[str, str]) -> None:
    rows = bronze_rows(uri, options).filter(pl.col("topic").is_in(record.messages["topic"].unique()))
    verdict.rows = rows.height
    place = record.place
    verdict.doubled = rows.height - rows.unique(place).height
    joined = record.messages.join(rows, on=place, how="left", suffix="_found")
    missing = joined.filter(pl.col("crc_found").is_null())
    verdict.missing = missing.height
    verdict.examples += [f"missing {row}" for row in missing.select(PLACE).head(3).rows()]
    found = joined.filter(pl.col("crc_found").is_not_null())
    verdict.altered = found.filter(
        (pl.col("crc") != pl.col("crc_found")) | (pl.col("size") != pl.col("size_found"))
    ).height
    verdict.judged_differently = found.filter(pl.col("reason").ne_missing(pl.col("error"))).height
    verdict.unexpected_rows = rows.unique(place).join(record.messages, on=place, how="anti").height


def _judge_states(verdict: Verdict, record: Record, uri: str, database: str) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(uri, serverSelectionTimeoutMS=10_000)
    try:
        found = {document["_id"]: document["s"] for document in client[database]["vehicle_state"].find()}
    finally:
        client.close()
    verdict.states = sum(len(signals) for signals in found.values())
    for (vehicle, signal), wanted in record.newest.items():
        has = found.get(vehicle, {}).get(signal)
        if has is None or (has["t"], float(has["v"])) != (wanted.time_us, wanted.value):
            verdict.state_mismatches += 1
            verdict.examples.append(f"state {vehicle} {signal}: {has} instead of {wanted}")
    verdict.state_mismatches += sum(
        (vehicle, signal) not in record.newest for vehicle, signals in found.items() for signal in signals
    )
    del verdict.examples[10:]


def _judge_letters(verdict: Verdict, record: Record, brokers: str) -> None:
    letters: Counter[tuple[str, int, int]] = Counter()
    for topic in set(DEAD_LETTERS.values()):
        for _, value in read_committed(brokers, topic):
            letter = json.loads(value)
            letters[(letter["source_topic"], letter["partition"], letter["offset"])] += 1
    wanted = Counter(record.rejected.select(PLACE).iter_rows())  # places of two lives may be the same
    verdict.dead_letters = letters.total()
    verdict.dead_letters_missing = (wanted - letters).total()
    verdict.dead_letters_doubled = (letters - wanted).total()


def _judge_anomalies(verdict: Verdict, record: Record, brokers: str) -> None:
    """An anomaly is a message of its own for each overspeed reading, a re-sent reading included."""
    found = Counter(
        (event["source_topic"], event["partition"], event["offset"])
        for _, value in read_committed(brokers, ANOMALIES)
        for event in [json.loads(value)]
        if event["kind"] == "overspeed"
    )
    wanted = Counter(record.messages.filter("overspeed").select(PLACE).iter_rows())
    verdict.anomalies = found.total()
    verdict.anomalies_missing = (wanted - found).total()
    verdict.anomalies_doubled = (found - wanted).total()


def _judge_maxima(verdict: Verdict, record: Record, brokers: str) -> None:
    """The last record per vehicle is its greatest pressure, and none fell below one before it."""
    last: dict[str, float] = {}
    for key, value in read_committed(brokers, MAXIMA):
        vehicle, pressure = (key or b"").decode(), float(json.loads(value)["pressureMax"])
        verdict.maxima_wrong += pressure <= last.get(vehicle, 0.0)
        last[vehicle] = pressure
    verdict.maxima_wrong += sum(last.get(vehicle) != wanted for vehicle, wanted in record.maxima.items())
    verdict.maxima_wrong += len(last.keys() - record.maxima.keys())


def read_committed(brokers: str, topic: str) -> Iterator[tuple[bytes | None, bytes]]:
    """Every record of a topic that a read-committed reader sees, in order within a partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "fault-verdict",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=READ_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        left = set(partitions)
        while left:
            message = consumer.poll(READ_SECONDS)
            if message is None:
                problem = f"{topic} did not answer within {READ_SECONDS:g} s; unread: {sorted(left)}"
                raise TimeoutError(problem)
            if message.error() is not None:
                left.discard(message.partition())
            else:
                yield message.key(), message.value() or b""
    finally:
        consumer.close()
