"""This process's transactional producer: made when it is first needed, and made anew after whatever it cannot
go on from. Its id is stable, so that a successor, or whoever takes over, ends what it left open."""

import time
from collections.abc import Callable, Iterable

from broker.offsets import Offsets
from broker.producer import TransactionalProducer
from broker.settings import KafkaSettings
from ingest.slots import Slot
from lake.idempotency_model import Owner

ENDS_SECONDS = 1.0
"""How old the ends of a claim may be: whoever takes it over reads so much more."""

AFTER_SECONDS = 10.0
"""Kafka ends a transaction by itself so long after the process should have."""


class Writer:
    """For one thread."""

    def __init__(
        self,
        kafka: KafkaSettings,
        slot: Slot,
        leases: str,
        give_up_seconds: float,
        *,
        is_named: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_named`: the slot's number is no other process's on any machine."""
        self._kafka, self._slot, self._leases, self._monotonic = kafka, slot, leases, monotonic
        self.give_up_seconds = give_up_seconds
        self._name = slot.name if is_named else f"{slot.group}.{leases[:12]}.{slot.number}"
        self._is_embedded = kafka.incarnation_file is not None
        self._producer: TransactionalProducer | None = None
        self._offsets = Offsets(kafka)
        self._ends: dict[tuple[str, int], int] = {}
        self._read: dict[str, float] = {}

    @property
    def transaction_seconds(self) -> float:
        """After that, an open transaction is none any more."""
        return self.give_up_seconds + AFTER_SECONDS

    @property
    def owner(self) -> Owner:
        """What a claim says of this producer."""
        return Owner(self.ready().transactional_id, self._leases, self._slot.number)

    def ready(self) -> TransactionalProducer:
        """The producer; a new one has fenced all that had its id before."""
        if self._producer is None:
            producer = self._made(self._next_id())
            producer.init(self.give_up_seconds)
            self._producer = producer
        return self._producer

    def drop(self) -> None:
        """What it was doing is not known, or the next one must have another epoch."""
        self._producer = None

    def abort(self) -> None:
        """Nothing of the open transaction will be seen. The next one is another producer's: this client would
        fail once more to get a new epoch, and the embedded broker hides what an id writes that aborted."""
        try:
            self.ready().abort(self.give_up_seconds)
        finally:
            self.drop()

    def fence(self, owner: Owner) -> None:
        """Returns when nothing that the owner has begun can be committed any more."""
        if self._producer is not None and owner.transactional_id == self._producer.transactional_id:
            self.drop()
            self.ready()
        else:
            self._made(owner.transactional_id).init(self.give_up_seconds)

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Where the topics' partitions end, or ended lately."""
        wanted = set(topics)
        now = self._monotonic()
        old = [topic for topic in wanted if now - self._read.get(topic, -ENDS_SECONDS) >= ENDS_SECONDS]
        for partition, end in self._offsets.ends(old).items() if old else ():
            self._ends[partition.topic, partition.partition] = end
        self._read |= dict.fromkeys(old, now)
        return {place: end for place, end in self._ends.items() if place[0] in wanted}

    def _made(self, name: str) -> TransactionalProducer:
        milliseconds = int(self.transaction_seconds * 1000)
        return TransactionalProducer(self._kafka, name, timeout_ms=milliseconds, tells=True)

    def _next_id(self) -> str:
        return f"{self._name}.{self._slot.begin_life()}" if self._is_embedded else self._name
