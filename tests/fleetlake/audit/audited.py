"""A topic with the sinks that read it, the audit of them, and every fault that a test may make."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from broker.producer import Producer
from broker.settings import KafkaSettings
from contracts.registry import Registry
from fleetlake.audit.payloads import Sample
from fleetlake.audit.report import AuditReport
from fleetlake.audit.run import audit
from ingest import history_run, routes_run, state_run
from ingest.process import Stop
from ingest.settings import IngestSettings
from lake.mongo import open_client
from lake.schemas import BRONZE, BRONZE_EVENTS
from lake.settings import LakeSettings, MongoSettings
from lake.storage import storage

PARTITIONS = 2


BASE_MS = 1_761_559_635_000


ALL = Sample(None, lambda below: 0)


@dataclass
class Stack:
    """A topic of its own with the tcu contract, and the sinks that read it."""

    kafka: KafkaSettings
    mongo: MongoSettings
    lake: LakeSettings
    ingest: IngestSettings
    registry: Registry
    topic: str
    sent: int = 0
    rejected: int = 0

    def send(self, count: int, bad: int = 0) -> None:
        """Messages with rising times, alternating between partitions; the last `bad` ones are broken."""
        producer = Producer(self.kafka)
        for number in range(self.sent, self.sent + count):
            vehicle, is_bad = f"v{number % 5}", number >= self.sent + count - bad
            event = {
                "did": vehicle, "timestamp": BASE_MS + number, "name": "speed",
                "float_value": "much" if is_bad else float(number % 200),
            }  # fmt: skip
            payload = json.dumps(event).encode()
            producer.send(self.topic, vehicle.encode(), payload, partition=number % PARTITIONS)
        producer.flush()
        self.sent += count
        self.rejected += bad

    def run_sinks(self, *names: str) -> None:
        """Each from start to the log's end of now."""
        runs: dict[str, Callable[[], None]] = {
            "history": lambda: history_run.run(
                self.kafka, self.lake, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
            "state": lambda: state_run.run(
                self.kafka, self.mongo, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
            "routes": lambda: routes_run.run(
                self.kafka, self.ingest, self.registry, stop=Stop(), until_caught_up=True
            ),
        }
        for name in names or runs:
            runs[name]()

    def audit(self, sample: Sample = ALL) -> AuditReport:
        """The whole report."""
        return audit(self.kafka, self.mongo, self.lake, self.registry, sample=sample)

    def problems(self) -> list[tuple[str, str]]:
        """Kind and place of what is off."""
        return [(problem.kind, problem.where) for problem in self.audit().findings.problems]

    # -- faults -------------------------------------------------------------------------------------------

    def bronze(self) -> DeltaTable:
        """The table, as somebody who may do anything sees it."""
        store = storage(self.lake)
        table = DeltaTable(store.table(BRONZE_EVENTS.name), storage_options=store.options())
        table.alter.set_table_properties({"delta.appendOnly": "false"})
        return table

    def rows(self, partition: int, offset: int) -> pa.Table:
        """What bronze has at a coordinate."""
        rows = self.bronze().to_pyarrow_table(
            filters=[("offset", "=", offset), ("partition", "=", partition)]
        )
        return rows.select(BRONZE.names).cast(BRONZE)

    def delete_row(self, partition: int, first: int, last: int | None = None) -> None:
        self.bronze().delete(f'partition = {partition} and "offset" between {first} and {last or first}')

    def add_rows(self, rows: pa.Table) -> None:
        write_deltalake(self.bronze(), rows, mode="append")

    def change_row(self, partition: int, offset: int, column: str, value: Any) -> None:
        rows = self.rows(partition, offset)
        index = rows.schema.get_field_index(column)
        changed = rows.set_column(
            index, rows.schema.field(index), pa.array([value], rows.schema.field(index).type)
        )
        self.delete_row(partition, offset)
        self.add_rows(changed)

    def write_state(self, vehicle: str, key: str, entry: dict[str, Any] | None) -> None:
        """Sets a value of the state, or removes it."""
        change = {"$unset": {f"s.{key}": ""}} if entry is None else {"$set": {f"s.{key}": entry}}
        with open_client(self.mongo) as client:
            client[self.mongo.database]["vehicle_state"].update_one({"_id": vehicle}, change, upsert=True)

    def remove_vehicle(self, vehicle: str) -> None:
        with open_client(self.mongo) as client:
            client[self.mongo.database]["vehicle_state"].delete_one({"_id": vehicle})


def entry_of(stack: Stack, vehicle: str) -> dict[str, Any]:
    """The state's entry for speed, as it is stored."""
    with open_client(stack.mongo) as client:
        document = client[stack.mongo.database]["vehicle_state"].find_one({"_id": vehicle})
    assert document is not None
    entry: dict[str, Any] = document["s"]["speed"]
    return entry


def delete_records(stack: Stack, partition: int, before: int, topic: str | None = None) -> None:
    """What retention does, at once; in the source topic, if no other is named."""
    from confluent_kafka import TopicPartition as Place
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": stack.kafka.bootstrap_servers})
    for future in admin.delete_records([Place(topic or stack.topic, partition, before)]).values():
        future.result(10)
