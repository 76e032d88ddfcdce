"""Shares the partitions of topics among members by leases: the rebalance calls of a group, made in `poll`."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaException

from broker.errors import TopicMissing
from broker.health import Health
from broker.leases import Leases
from broker.membership import Membership
from broker.places import placed
from broker.record import TopicPartition

LOOK_PERIOD_S = 0.2
"""A member that comes or goes is noticed within this."""

METADATA_PERIOD_S = 10.0
ASK_TIMEOUT_S = 5.0


class Sharing:
    """One member's part: gives up what is too much, takes what is free."""

    def __init__(
        self,
        consumer: Consumer,
        leases: Leases,
        topics: Sequence[str],
        member: Membership,
        health: Health,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer, self._leases, self._topics = consumer, leases, topics
        self._member, self._health, self._monotonic = member, health, monotonic
        self._partitions: list[TopicPartition] = []
        self._next_look = self._next_metadata = 0.0
        self._was_missing: frozenset[str] = frozenset()

    def look(self) -> None:
        """Calls the listener if anything is to change."""
        now = self._monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_PERIOD_S
        if now >= self._next_metadata:
            self._read_metadata(now)
        self._give_up(self._leases.surplus(self._partitions))
        taken = self._leases.take(self._partitions)
        if taken:
            self._member.on_assign(self._consumer, placed(taken))

    def leave(self) -> None:
        """Everything was given up: is no member any more."""
        self._leases.close()

    def _give_up(self, partitions: list[TopicPartition]) -> None:
        """With a failure the locks stay until this process ends: nobody may begin before that."""
        if not partitions:
            return
        self._member.on_revoke(self._consumer, placed(partitions))
        if not self._health.has_failed:
            self._leases.release(partitions)

    def _read_metadata(self, now: float) -> None:
        """A topic counts as missing when it is missing twice: a starting broker may not know it yet."""
        try:
            found = self._consumer.list_topics(timeout=ASK_TIMEOUT_S).topics
        except KafkaException:
            return
        missing = frozenset(topic for topic in self._topics if topic not in found or found[topic].error)
        if missing & self._was_missing:
            raise TopicMissing(sorted(missing))
        self._was_missing = missing
        self._next_metadata = now + (LOOK_PERIOD_S if missing else METADATA_PERIOD_S)
        self._partitions = [
            TopicPartition(topic, number)
            for topic in self._topics
            if topic in found
            for number in sorted(found[topic].partitions)
        ]
