"""Finds out whether the events of a claim that was left behind are in Kafka. The order carries the answer:

1. The former owner is fenced: what it left open is ended, and it can write no more.
2. Only then the logs' ends are read, those of records in open transactions of others included.
3. Readers are waited for to come so far: somebody else's open transaction hides what lies behind it.
4. Everything between the ends in the claim and these is read, read-committed. All events are there or none.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from broker.admin import Admin
from broker.errors import Transient
from broker.reader import PartitionReader
from broker.record import Headers, TopicPartition, Written
from broker.settings import KafkaSettings
from ingest.gateway.writer import Writer
from ingest.steps import GatewayStep, Steps
from lake.idempotency_model import Claim

HEADER: Final = "idempotency-key"
"""Of every event that was written for a key: the claim's id, and the event's place in the request."""

PAUSE_SECONDS = 0.05
HIDDEN_SECONDS = 2.0
"""Longer than a transaction takes. One that was left open is ended by whoever settles it, or by Kafka."""

Place = tuple[str, Written]


class StillHidden(Transient):
    """Another transaction is open in a partition, and what lies behind it cannot be read yet.

    Operator action: none once: Kafka ends it by itself. If it stays, `kafka-transactions.sh find-hanging`.
    """

    def __init__(self, partition: TopicPartition, end: int) -> None:
        self.partition, self.end = partition, end
        super().__init__(f"{partition}: an open transaction hides what lies before offset {end}")


class Torn(Exception):
    """Some events of one transaction are in Kafka, some are not: retention or a topic made anew took them.

    Operator action: nothing to repair: its key is answered 503 from then on. Retention should be much longer
    than FLEETLAKE_GATEWAY__KEY_HOURS.
    """

    def __init__(self, claim: Claim, found: int) -> None:
        self.claim, self.found = claim, found
        super().__init__(f"claim {claim.id}: {found} of {claim.events} events are in Kafka")


class Settling:
    """For the thread of the writer."""

    def __init__(
        self,
        kafka: KafkaSettings,
        writer: Writer,
        done: Steps,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._kafka, self._writer, self._done = kafka, writer, done
        self._monotonic, self._sleep = monotonic, sleep

    def find(self, claim: Claim) -> Mapping[int, Place]:
        """Where the claim's events lie, by their place in the request; empty where none was written."""
        self._writer.fence(claim.owner)  # 1
        self._done(GatewayStep.FENCED)
        found: dict[int, Place] = {}
        with PartitionReader(self._kafka) as reader:
            for partition, end in self._ends(claim).items():
                if claim.ends.get(partition, -1) >= end:
                    continue  # nothing was written there since
                self._await(reader, partition, end)  # 3
                found.update(self._read(reader, claim, partition, end))  # 4
                if len(found) == claim.events:
                    break
        self._done(GatewayStep.FOUND)
        if 0 < len(found) < claim.events:
            raise Torn(claim, len(found))
        return found

    def _ends(self, claim: Claim) -> dict[TopicPartition, int]:
        topics = sorted({topic for topic, _ in claim.ends})
        with PartitionReader(self._kafka, isolation="read_uncommitted") as reader:
            partitions = Admin(self._kafka).partitions(topics)
            return {partition: reader.ends(partition)[1] for partition in partitions}  # 2

    def _await(self, reader: PartitionReader, partition: TopicPartition, end: int) -> None:
        deadline = self._monotonic() + HIDDEN_SECONDS
        while reader.ends(partition)[1] < end:
            if self._monotonic() > deadline:
                raise StillHidden(partition, end)
            self._sleep(PAUSE_SECONDS)

    def _read(
        self, reader: PartitionReader, claim: Claim, partition: TopicPartition, end: int
    ) -> Iterator[tuple[int, Place]]:
        low, high = reader.ends(partition)
        start = claim.ends.get(partition, low)
        start = start if low <= start <= high else low  # retention, or a log that went back
        mark = f"{claim.id}/".encode()
        for records in reader.read(partition, start, end):
            for offset, headers in zip(records.offsets, records.headers, strict=True):
                index = _index(headers, mark)
                if index is not None:
                    yield index, (partition.topic, Written(partition.partition, offset))


def marked(claim_id: str, index: int) -> tuple[str, bytes]:
    """The header of one event."""
    return HEADER, f"{claim_id}/{index}".encode()


def _index(headers: Headers | None, mark: bytes) -> int | None:
    for name, value in headers or ():
        if name == HEADER and value is not None and value.startswith(mark):
            rest = value[len(mark) :]
            return int(rest) if rest.isdigit() else None
    return None
