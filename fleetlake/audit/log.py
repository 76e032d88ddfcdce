"""Kafka as the audit sees it: which topics there are, in which life, how far their logs reach and what they
hold."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from broker.admin import Admin
from broker.errors import OffsetOutOfRange
from broker.identity import TopicIdentities
from broker.offsets import Offsets
from broker.reader import PartitionReader
from broker.record import Records, TopicPartition
from broker.settings import KafkaSettings
from broker.topics import Topics


@dataclass(frozen=True, slots=True)
class Span:
    """The log of one partition: the first offset it has, and the one behind the last stable record."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Log:
    """One look at the cluster. Logs end as they did then; they begin where retention leaves them."""

    topic_ids: dict[str, str]
    spans: dict[TopicPartition, Span]
    reader: PartitionReader
    compacted: frozenset[str] = frozenset()
    """Topics from which Kafka removes messages between others."""
    retention_ms: Mapping[str, int] = field(default_factory=dict)
    """Of topics that are not kept for ever."""
    looked_ms: float = 0.0
    """When this look was, since the epoch."""

    @classmethod
    def look(cls, settings: KafkaSettings, reader: PartitionReader, topics: Iterable[str]) -> "Log":
        """The topics that exist, of those named."""
        admin = Admin(settings)
        found, _ = admin.describe(topics)
        names = sorted(found)
        offsets = Offsets(settings, admin)
        starts, ends = offsets.starts(names), offsets.ends(names)
        both = starts.keys() & ends.keys()  # a partition may be added between the two questions
        spans = {key: Span(starts[key], ends[key]) for key in both}
        configured = Topics(settings, admin)
        return cls(
            TopicIdentities(settings).read(names),
            spans,
            reader,
            configured.compacted(names),
            configured.retention_ms(names),
            time.time() * 1000,
        )

    def read(self, partition: TopicPartition, begin: int, end: int) -> Iterator[Records]:
        """The committed records of [begin, end) that Kafka still has, in order."""
        span = self.spans[partition]
        begin, end = max(begin, span.low), min(end, span.high)
        while begin < end:
            try:
                for records in self.reader.read(partition, begin, end):
                    yield records
                    begin = records.next_offset
                return
            except OffsetOutOfRange as error:  # retention moved the log's start meanwhile
                if error.low <= begin:
                    raise
                begin = error.low
                self.spans[partition] = Span(begin, span.high)

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        """The partitions of one topic."""
        return sorted(key for key in self.spans if key.topic == topic)
