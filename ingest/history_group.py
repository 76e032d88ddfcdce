"""Kafka's own offsets of the history's group. They follow the table, so that lag tools see how far it is, and
are never read to decide where to go on: nothing rests on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.consumer import GroupConsumer
from broker.errors import Transient
from broker.record import TopicPartition
from ingest.process import Log
from ingest.steps import HistoryStep, Steps


@dataclass
class GroupOffsets:
    """What the table has and the group has not been told yet."""

    consumer: GroupConsumer
    log: Log
    done: Steps
    _untold: dict[TopicPartition, int] = field(default_factory=dict)

    def note(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The table has these now."""
        self._untold |= offsets

    def tell(self) -> None:
        """Stores what is noted; what cannot be stored now is tried again with the next turn."""
        if not self._untold or self.consumer.broker_down:
            return
        try:
            self.consumer.commit(self._untold)
        except Transient as error:
            self.log.info("group_offsets_not_stored", reason=str(error))
        else:
            self._untold.clear()
            self.done(HistoryStep.OFFSETS_COMMITTED)

    def compare(self, recorded: Mapping[TopicPartition, int]) -> None:
        """A predecessor may have ended between its commit and the group's offsets. A group that is ahead of
        the table stays so: the audit sees by it that the table went back."""
        try:
            told = self.consumer.committed(recorded)
        except Transient as error:
            self.log.info("group_offsets_not_read", reason=str(error))
            return
        self.note({key: offset for key, offset in recorded.items() if (told[key] or 0) < offset})

    def forget(self, partition: TopicPartition) -> None:
        """It has another owner."""
        self._untold.pop(partition, None)
