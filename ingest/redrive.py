"""Sends dead letters again, through the contract as it is now: each message once, whatever is killed when.

The order that carries the promise:
 1. One redrive at a time: a lease on this machine, and a transactional id, which fences older ones anywhere.
 2. Only then the markers are read: nobody can add to them any more.
 3. An event and its marker are one transaction: both are there or neither.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from broker.errors import Abortable, TopicMissing
from broker.producer import TransactionalProducer
from broker.reader import PartitionReader
from broker.record import TopicPartition
from broker.renewing import RenewingProducer
from broker.settings import KafkaSettings
from broker.topics import Topics, redriven_topic, specs_from
from contracts.load import Registry
from contracts.result import Rejected
from ingest.deadletters import Found, Lookup, Original
from ingest.errors import OperatorNeeded
from ingest.settings import IngestSettings
from ingest.slots import Slot, SlotTaken, lease

BATCH_EVENTS = 200
BATCH_BYTES = 4 * 1024 * 1024
MOST_ABORTS = 3
"""Of one batch: a client may ask for a new epoch by failing once more; a refused message fails for ever."""


OTHER_SECONDS = 2.0
"""Who ends what a killed redrive left open holds its lease for less than that; another redrive, longer."""


def redrive_group(kafka: KafkaSettings) -> str:
    """The group that its lease and its transactional ids are named after."""
    return f"{kafka.group_prefix}.redrive"


class RedriveRunning(OperatorNeeded):
    """Another redrive runs on this machine.

    Operator action: wait for it.
    """

    def __init__(self, group: str) -> None:
        self.group = group
        super().__init__(f"another redrive of {group} is running on this machine; wait for it")


@dataclass(slots=True)
class Redriven:
    """What became of the dead letters of a selection."""

    selected: int = 0
    sent: int = 0
    sent_before: int = 0
    still_rejected: Counter[str] = field(default_factory=Counter)
    incomplete: int = 0
    """Cut in the envelope, and not in the history either."""

    def as_json(self) -> dict[str, object]:
        return {
            "selected": self.selected,
            "sent": self.sent,
            "sent_before": self.sent_before,
            "still_rejected": dict(self.still_rejected),
            "incomplete": self.incomplete,
        }


@dataclass
class Markers:
    """Which messages were sent again, kept in a compacted topic that this process has for itself."""

    topic: str
    known: set[bytes] = field(default_factory=set)

    def restore(self, reader: PartitionReader) -> None:
        """Reads the topic to its end."""
        partition = TopicPartition(self.topic, 0)
        for records in reader.read(partition, reader.ends(partition)[0]):
            self.known.update(_digest(key.decode()) for key in records.keys if key is not None)

    def __contains__(self, found: Found) -> bool:
        return _digest(found.marker) in self.known

    def add(self, found: Found) -> None:
        self.known.add(_digest(found.marker))


def _digest(marker: str) -> bytes:
    """Sixteen bytes instead of a hundred: markers are never forgotten."""
    return blake2b(marker.encode(), digest_size=16).digest()


def redriven_before(kafka: KafkaSettings, reader: PartitionReader) -> Markers:
    """The markers as they are now, to look at; empty where nothing was ever redriven."""
    markers = Markers(redriven_topic(kafka))
    with suppress(TopicMissing):
        markers.restore(reader)
    return markers


@dataclass
class Redrive:
    """One run of `redrive`. Make it by `redriving`."""

    registry: Registry
    producer: TransactionalProducer | RenewingProducer
    markers: Markers
    lookup: Lookup
    now: Callable[[], datetime]
    is_forced: bool = False

    def run(self, letters: Iterable[Found]) -> Redriven:
        """Sends the letters' messages that were not sent before and that the contract accepts now."""
        result = Redriven()
        batch: dict[str, tuple[Found, Original]] = {}
        size = 0
        for found in letters:
            result.selected += 1
            if found in self.markers or found.marker in batch:
                result.sent_before += 1
                continue
            original = self._to_send(found, result)
            if original is None:
                continue
            batch[found.marker] = (found, original)
            size += len(original.payload or b"")
            if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
                result.sent += self._send(batch)
                batch, size = {}, 0
        result.sent += self._send(batch)
        return result

    def _to_send(self, found: Found, result: Redriven) -> Original | None:
        original = found.original(self.lookup)
        if original is None:
            result.incomplete += 1
            return None
        decoder = self.registry.decoder(found.letter.source_topic)
        time_ms = int(self.now().timestamp() * 1000)
        verdict = decoder.decode_one(original.payload, time_ms, original.key, original.headers)
        if isinstance(verdict, Rejected) and not self.is_forced:
            result.still_rejected[verdict.reason.value] += 1
            return None
        return original

    def _send(self, batch: Mapping[str, tuple[Found, Original]]) -> int:
        for attempt in range(MOST_ABORTS if batch else 0):
            try:
                self._transaction(batch)
                break
            except Abortable:
                self.producer.abort()
                if attempt + 1 == MOST_ABORTS:
                    raise
        for found, _ in batch.values():
            self.markers.add(found)
        return len(batch)

    def _transaction(self, batch: Mapping[str, tuple[Found, Original]]) -> None:
        self.producer.begin()
        for marker, (found, original) in batch.items():
            topic = found.letter.source_topic
            self.producer.send(topic, original.key, original.payload, original.headers)
            note = {"dead_letter": str(found.at), "redriven_time": self.now().isoformat()}
            self.producer.send(self.markers.topic, marker.encode(), json.dumps(note).encode(), partition=0)
        self.producer.commit()


@contextmanager
def redriving(
    kafka: KafkaSettings,
    ingest: IngestSettings,
    registry: Registry,
    lookup: Lookup,
    *,
    now: Callable[[], datetime],
    is_forced: bool = False,
) -> Iterator[Redrive]:
    """A redrive that nobody else can interfere with, while the block runs."""
    group = redrive_group(kafka)
    only_one = ingest.model_copy(update={"slot": 0, "shutdown_seconds": OTHER_SECONDS})
    Topics(kafka).create(spec for spec in specs_from(registry, kafka) if spec.name == redriven_topic(kafka))
    try:
        with lease(only_one, group) as slot, PartitionReader(kafka) as reader:
            producer = _fencing_producer(kafka, slot)
            markers = redriven_before(kafka, reader)
            yield Redrive(registry, producer, markers, lookup, now, is_forced)
    except SlotTaken as error:
        raise RedriveRunning(group) from error


def _fencing_producer(kafka: KafkaSettings, slot: Slot) -> TransactionalProducer | RenewingProducer:
    """Ends what an older redrive left open. On the embedded broker an id that aborted is not used again."""
    if kafka.incarnation_file is None:
        producer = TransactionalProducer(kafka, slot.name)
        producer.init()
        return producer
    TransactionalProducer(kafka, f"{slot.name}.{slot.life}").init()
    renewing = RenewingProducer(
        lambda name: TransactionalProducer(kafka, name), lambda: f"{slot.name}.{slot.begin_life()}"
    )
    renewing.init()
    return renewing
