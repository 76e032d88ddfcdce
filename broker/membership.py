"""Which partitions a consumer owns, and from where it reads them: the client library's rebalance calls become
calls of a listener whose exceptions are never lost."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import structlog
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place

from broker.health import Health
from broker.intake import Intake
from broker.places import named, placed
from broker.record import TopicPartition

log = structlog.get_logger()

Starts = dict[TopicPartition, int]

REJOIN_PAUSE_S = 0.3
"""The embedded broker hangs a group for good if a member rejoins before the others know of the last round."""


class RebalanceListener(Protocol):
    """What a sink does when partitions come and go. Called inside `GroupConsumer.poll` and `close`."""

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Where to begin. A partition left out begins at the group's committed offset, else by offset_reset.

        If it raises, `poll` raises that, reads nothing of these partitions and asks again at the next call.
        """

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Still owned here: commit before returning."""

    def on_lost(self, partitions: Sequence[TopicPartition]) -> None:
        """No longer owned: drop what was read of them."""


class Membership:
    """The partitions of one group member."""

    def __init__(
        self,
        consumer: Consumer,
        group: str,
        listener: RebalanceListener,
        *,
        group_starts: Callable[[list[TopicPartition]], Starts],
        health: Health,
        intake: Intake,
        rejoin_pause_s: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.owned: Starts = {}
        """Partition -> the offset it was assigned or sought at: its position until a record was returned."""
        self._consumer = consumer
        self._group = group
        self._listener = listener
        self._group_starts = group_starts
        self._health = health
        self._intake = intake
        self.rejoin_pause_s = rejoin_pause_s
        self._sleep = sleep
        self._unplaced: list[TopicPartition] = []
        self._is_leaving = False

    def on_assign(self, _: Consumer, places: list[Place]) -> None:
        if self._is_leaving:  # an assignment that was on its way; the next owner gets it when we are gone
            self._consumer.incremental_assign([])
            return
        self._unplaced.extend(map(named, places))
        log.info("kafka.assigned", group=self._group, partitions=_texts(places))
        try:
            self.place()
        except BaseException as failure:  # noqa: BLE001 - kept, and raised by poll
            self._health.keep(failure)
            self._consumer.incremental_assign([])

    def place(self) -> None:
        """Starts reading the partitions that were assigned and are not read yet."""
        if not self._unplaced:
            return
        wanted = self._listener.on_assigned(tuple(self._unplaced))
        starts = {name: wanted[name] for name in self._unplaced if name in wanted}
        starts |= self._group_starts([name for name in self._unplaced if name not in starts])
        self._consumer.incremental_assign([Place(*name, offset) for name, offset in starts.items()])
        self._unplaced.clear()
        self.owned |= starts
        self._intake.taken_over(starts)

    def on_revoke(self, _: Consumer, places: list[Place]) -> None:
        self._give_up(places, "revoked", self._listener.on_revoked)

    def on_lost(self, _: Consumer, places: list[Place]) -> None:
        self._give_up(places, "lost", self._listener.on_lost)

    def leave(self) -> None:
        """Gives all up while the membership is whole: inside the client's `close` no commit succeeds."""
        self.rejoin_pause_s = 0.0
        self._is_leaving = True
        if self.owned:
            self._give_up(placed(self.owned), "revoked", self._listener.on_revoked)

    def _give_up(
        self,
        places: list[Place],
        how: Literal["revoked", "lost"],
        tell: Callable[[Sequence[TopicPartition]], None],
    ) -> None:
        names = set(map(named, places))
        self._unplaced = [name for name in self._unplaced if name not in names]
        owned = [name for name in self.owned if name in names]
        if owned:
            log.info("kafka.given_up", how=how, group=self._group, partitions=_texts(placed(owned)))
            self._tell(tell, owned)
        for name in owned:
            del self.owned[name]
        self._intake.given_up(owned)
        if how == "revoked" and self.rejoin_pause_s:
            self._sleep(self.rejoin_pause_s)
        self._consumer.incremental_unassign(placed(owned))

    def _tell(self, tell: Callable[[Sequence[TopicPartition]], None], owned: list[TopicPartition]) -> None:
        try:
            tell(owned)
        except BaseException as failure:  # noqa: BLE001 - kept, and raised by poll or close
            self._health.keep(failure)


def _texts(places: Sequence[Place]) -> list[str]:
    return [str(named(place)) for place in places]
