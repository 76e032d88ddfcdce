"""The columns, partitions and Delta properties of the tables that code writes: one place for every writer
and reader. Gold marts describe themselves beside their SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from contracts.schema import DECODED, SIGNAL, TIME

HEADER = pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())])

BRONZE_PARTITION = "ingest_date"

BRONZE = pa.schema(
    [
        pa.field("topic_id", pa.string(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("kafka_time", TIME),
        pa.field("key", pa.binary()),
        pa.field("headers", pa.list_(pa.field("element", HEADER))),
        pa.field("payload", pa.binary()),
        *DECODED,
        pa.field("ingest_time", TIME),
        pa.field(BRONZE_PARTITION, pa.date32(), nullable=False),
    ]
)

SILVER = pa.schema(
    [
        pa.field("vehicle_id", pa.string()),
        *SIGNAL,
        pa.field("received_time", TIME),
        pa.field("topic_id", pa.string()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("event_date", pa.date32()),
    ]
)

COMMON_PROPERTIES: Mapping[str, str] = {
    # Reading a table costs requests per commit since the last checkpoint.
    "delta.checkpointInterval": "20",
    # Sinks commit every few seconds: a month of log entries would make each clean-up list millions of files.
    "delta.logRetentionDuration": "interval 7 days",
}

BRONZE_PROPERTIES: Mapping[str, str] = {
    **COMMON_PROPERTIES,
    "delta.appendOnly": "true",
    "delta.enableChangeDataFeed": "true",  # silver reads what each version added
    "delta.dataSkippingStatsColumns": (
        "topic_id,topic,partition,offset,kafka_time,source,vehicle_id,event_time,error,ingest_time"
    ),
}

SILVER_PROPERTIES: Mapping[str, str] = {**COMMON_PROPERTIES}


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a writer needs to create a table."""

    name: str
    columns: pa.Schema
    partition_by: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)


BRONZE_EVENTS = TableSchema("bronze.events", BRONZE, (BRONZE_PARTITION,), BRONZE_PROPERTIES)
SILVER_SIGNALS = TableSchema("silver.signals", SILVER, ("event_date",), SILVER_PROPERTIES)
TABLES: Mapping[str, TableSchema] = {table.name: table for table in (BRONZE_EVENTS, SILVER_SIGNALS)}

BRONZE_TEXT = """Every Kafka message as it was received, unreadable ones included, with what its contract
makes of it. One row per message, by topic_id, partition and offset."""

BRONZE_COLUMNS: Mapping[str, str] = {
    "topic_id": "The life of the topic: one that was deleted and made again is another",
    "topic": "Its name",
    "partition": "Its partition",
    "offset": "The message's place in the partition",
    "kafka_time": "When Kafka got it; null where Kafka says no time that a calendar has",
    "key": "Bytes of its key",
    "headers": "Its headers, in order",
    "payload": "Bytes of the message, as received",
    "source": "The contract that it was read by",
    "vehicle_id": "The vehicle that it is of; null where it could not be read",
    "event_time": "When it happened, by the clock of the vehicle",
    "received_time": "When it was received, as the message says itself",
    "signals": "The readings that were accepted",
    "rejected_signals": "The readings that were not, each with its reason",
    "error": "Why the whole message was rejected; null where it was not",
    "error_detail": "More of the same, for people",
    "contract_hash": "The exact contract that it was read by",
    "ingest_time": "When it was read from Kafka",
    "ingest_date": "The day of that, in UTC",
}
"""What people are told of bronze's columns; the other tables' models say it of theirs."""
