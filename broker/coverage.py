"""Notices partitions that no member of a group has, and joins anew. It guarantees that a group whose members
have names (static members) reads all of its topics in the end.

A named member that comes back within its session gets what it had before, and no other assignment is made:
partitions that came meanwhile, of a topic made again for example, would wait for ever, in silence. The client
does not see it, because to it nothing has changed since it came; what changes later it does see. So the group
is looked at after a start, and no longer than until all partitions had a member twice in a row: a client that
is asked of groups while their coordinator goes away may end its process (librdkafka pull request 5397).
"""

from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import ConsumerGroupState

from broker.admin import Admin, partition_numbers
from broker.errors import BrokerError
from broker.record import TopicPartition
from broker.settings import KafkaSettings

log = structlog.get_logger()

LOOK_PERIOD_S = 10.0
AGAIN_S = 15.0
"""Longer than the client takes to see new partitions by itself (`group_options.REFRESH_MS`)."""

ANSWER_S = 2.0
COMPLETE_LOOKS = 2

Unassigned = Callable[[], frozenset[TopicPartition] | None]
"""Partitions that no member has; None where that is not known now."""


class Coverage:
    """The partitions of one group, looked at in `poll`; `join_anew` makes the group assign them again."""

    def __init__(
        self, unassigned: Unassigned, join_anew: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        self._unassigned, self._join_anew, self._monotonic = unassigned, join_anew, monotonic
        self._next_look = monotonic() + LOOK_PERIOD_S
        self._were: frozenset[TopicPartition] = frozenset()
        self._complete = 0

    def look(self) -> None:
        """Joins anew when the same partition had no member twice."""
        if self._complete >= COMPLETE_LOOKS or self._monotonic() < self._next_look:
            return
        found = self._unassigned()
        self._complete = self._complete + 1 if found == frozenset() else 0
        nobodys = found or frozenset()
        if still := nobodys & self._were:
            log.warning("kafka.unassigned", partitions=sorted(map(str, still)))
            self._join_anew()
            nobodys = frozenset()
        self._were = nobodys
        self._next_look = self._monotonic() + (AGAIN_S if nobodys else LOOK_PERIOD_S)


class GroupAssignments:
    """What Kafka says of a group's members; one that does not answer, or may not, says nothing."""

    def __init__(self, settings: KafkaSettings, group: str, topics: Sequence[str]) -> None:
        self._admin, self._group, self._topics = Admin(settings, ANSWER_S), group, topics

    def unassigned(self) -> frozenset[TopicPartition] | None:
        """Partitions of the topics that no member has; None while the group is not settled."""
        try:
            held = self._held()
            return None if held is None else self._existing() - held
        except BrokerError as error:
            log.info("kafka.assignments_unknown", group=self._group, reason=str(error))
            return None

    def _held(self) -> frozenset[TopicPartition] | None:
        futures = self._admin.client.describe_consumer_groups([self._group], request_timeout=ANSWER_S)
        group = self._admin.answer(futures[self._group], f"describing group {self._group}", self._group)
        if group.state != ConsumerGroupState.STABLE:
            return None
        return frozenset(
            TopicPartition(place.topic, place.partition)
            for member in group.members
            for place in member.assignment.topic_partitions
        )

    def _existing(self) -> frozenset[TopicPartition]:
        found, _ = self._admin.describe(self._topics)
        return frozenset(
            TopicPartition(topic, number)
            for topic, description in found.items()
            for number in partition_numbers(description)
        )
