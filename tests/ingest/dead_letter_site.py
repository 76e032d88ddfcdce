"""A source of a test's own, whose messages are rejected as the routes sink rejects them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.producer import Producer
from broker.reader import PartitionReader
from broker.record import Headers, TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics, specs_from
from contracts.load import Registry, load_registry
from ingest.dead_letter import EVENT_BYTES, dead_letters
from ingest.deadletters import Found, Original, Selection, read_letters
from ingest.decoding import RunDecoder
from ingest.metrics import SinkMetrics

SEEN_SECONDS = 30.0
CONTRACT = """
name: {name}
shape: wide
on_bad_value: event
topics:
  {topic}: {{partitions: 1}}
vehicle: {{field: id}}
event_time: {{field: at}}
signals:
  speed: {{signal: speed, maximum: {maximum}}}
"""


def event(speed: object) -> bytes:
    """A message whose bytes show if anything rewrites it."""
    return b'{"id": "v1",  "at": "2026-01-01T00:00:00Z", "speed": %s}' % str(speed).encode()


@dataclass
class Site:
    """Topics, contract and dead letters of one test."""

    kafka: KafkaSettings
    folder: Path
    topic: str
    name: str

    def contract(self, maximum: int) -> Path:
        """The contract as a file: it accepts speeds up to `maximum`."""
        path = self.folder / f"{self.name}-{maximum}.yml"
        path.write_text(CONTRACT.format(name=self.name, topic=self.topic, maximum=maximum))
        return path

    def registry(self, maximum: int = 100) -> Registry:
        return load_registry([self.contract(maximum)])

    def create_topics(self) -> None:
        own = {self.topic, f"{self.topic}.dlq", f"{self.kafka.group_prefix}.redriven"}
        Topics(self.kafka).create(
            spec for spec in specs_from(self.registry(), self.kafka) if spec.name in own
        )

    def reject(
        self,
        payloads: Sequence[bytes | None],
        key: bytes | None = b"v1",
        headers: Headers | None = None,
        event_bytes: int = EVENT_BYTES,
    ) -> None:
        """Sends messages, and for those that a speed limit of 100 rejects what the routes sink would send."""
        producer = Producer(self.kafka)
        with PartitionReader(self.kafka) as reader:
            source = TopicPartition(self.topic, 0)
            await_committed(self.kafka, reader, source)
            before = reader.ends(source)[1]
            for payload in payloads:
                producer.send(self.topic, key, payload, headers)
            producer.flush()
            registry = self.registry()
            contract = registry.contracts[self.name]
            decoder = RunDecoder(registry, SinkMetrics("routes"))
            for records in reader.read(source, before):
                run = decoder.decode(records)
                topic = contract.dead_letter_topic
                for letter in dead_letters(run, topic, self.name, contract.hash, event_bytes):
                    producer.send(topic, letter.key, letter.value, letter.headers, partition=0)
        producer.flush()
        assert not producer.failed

    def letters(self, selection: Selection | None = None) -> list[Found]:
        with PartitionReader(self.kafka) as reader:
            chosen = selection or Selection(source=self.name)
            return list(read_letters(self.kafka, self.registry(), chosen, reader))

    def messages(self) -> list[Original]:
        """What a read-committed reader of the source's topic sees."""
        source = TopicPartition(self.topic, 0)
        with PartitionReader(self.kafka) as reader:
            await_committed(self.kafka, reader, source)
            return [
                Original(value, key, headers)
                for run in reader.read(source, 0)
                for value, key, headers in zip(run.values, run.keys, run.headers, strict=True)
            ]

    def payloads(self) -> list[bytes | None]:
        return [message.payload for message in self.messages()]


def await_committed(kafka: KafkaSettings, reader: PartitionReader, partition: TopicPartition) -> None:
    """A commit is seen a moment after it returned."""
    deadline = time.monotonic() + SEEN_SECONDS
    with PartitionReader(kafka, isolation="read_uncommitted") as everything:
        while reader.ends(partition)[1] < everything.ends(partition)[1]:
            assert time.monotonic() < deadline, f"a transaction is open in {partition}"


MakeSite = Callable[[], Site]
