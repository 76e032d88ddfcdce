"""Takes messages out of the client for a group consumer: errors between them are judged, and none of the
messages is lost by an error or returned for a partition that was given up meanwhile."""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Place

from broker.demand import FetchOnDemand
from broker.health import Health
from broker.places import placed
from broker.record import TopicPartition


class Intake:
    """`take` of a broker that waits for data, or of one that does not (`demand`)."""

    def __init__(
        self,
        consumer: Consumer,
        health: Health,
        demand: FetchOnDemand | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._consumer = consumer
        self._health = health
        self._demand = demand
        self._monotonic = monotonic
        self._gone: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self.outside: dict[TopicPartition, int | None] = {}
        """Partitions that are not read on, because the log does not have the offset; until `move`."""

    def taken_over(self, starts: Mapping[TopicPartition, int]) -> None:
        """These are assigned and begin at these offsets."""
        self._forget_outside(starts)
        if self._demand is not None:
            self._demand.assigned(starts)

    def given_up(self, names: Iterable[TopicPartition]) -> None:
        """What was taken of these and not returned yet is void, and so is a pause, which the client would
        remember beyond the assignment."""
        gone = set(names)
        self._gone |= gone
        self.resume(gone)
        self._forget_outside(gone)
        if self._demand is not None:
            self._demand.given_up(gone)

    def move(self, name: TopicPartition, offset: int) -> None:
        """Goes on at `offset`, also where an error has stopped the reading."""
        place = Place(*name, offset)
        try:
            self._consumer.seek(place)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._STATE:
                raise
            self._consumer.incremental_unassign([place])
            self._consumer.incremental_assign([place])
            self.taken_over({name: offset})
            self.pause(self._paused & {name})
        self._forget_outside([name])
        if self._demand is not None:
            self._demand.moved(name, offset)

    def pause(self, names: Iterable[TopicPartition]) -> None:
        """Nothing of these is taken until `resume`."""
        paused = set(names)
        self._paused |= paused
        if self._demand is not None:
            self._demand.hold(paused)
        else:
            self._consumer.pause(placed(paused))

    def resume(self, names: Iterable[TopicPartition]) -> None:
        """Takes `pause` back; of partitions that are not paused nothing changes."""
        resumed = self._paused.intersection(names)
        self._paused -= resumed
        if self._demand is not None:
            self._demand.release(resumed)
        else:
            self._consumer.resume(placed(resumed))

    def take(self, max_records: int, timeout_s: float) -> list[Message]:
        """Up to `max_records` messages that came within `timeout_s`."""
        if self._demand is None:
            return self._without_errors(self._consumer.consume(max_records, timeout_s))
        return self._take_on_demand(self._demand, max_records, timeout_s)

    def _take_on_demand(self, demand: FetchOnDemand, max_records: int, timeout_s: float) -> list[Message]:
        """Returns to `demand` at every event, so that no partition spins at its end."""
        deadline = self._monotonic() + timeout_s
        taken: list[Message] = []
        while len(taken) < max_records:
            self._gone.clear()
            first = self._consumer.poll(min(demand.look(), max(0.0, deadline - self._monotonic())))
            taken = self._still_ours(taken)
            if first is not None:
                room = max_records - len(taken) - 1
                more = self._consumer.consume(room, 0) if room else []
                taken = self._still_ours([*taken, *self._without_errors([first])])
                taken += self._without_errors(more)
            if self._monotonic() >= deadline:
                break
        return taken

    def _still_ours(self, taken: list[Message]) -> list[Message]:
        """`taken` without partitions that were given up since: they may be back, at another offset."""
        if not self._gone:
            return taken
        gone = set(self._gone)
        self._gone.clear()
        return [message for message in taken if _where(message) not in gone]

    def _without_errors(self, messages: list[Message]) -> list[Message]:
        if not any(map(Message.error, messages)):
            return messages
        for message in messages:
            error = message.error()
            if error is not None:
                self._judge(message, error)
        return [message for message in messages if message.error() is None]

    def _forget_outside(self, names: Iterable[TopicPartition]) -> None:
        for name in names:
            self.outside.pop(name, None)

    def _judge(self, message: Message, error: KafkaError) -> None:
        name = _where(message)
        if error.code() == KafkaError._PARTITION_EOF:
            if self._demand is not None:
                self._demand.reached_end(name, message.offset() or 0)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self.outside[name] = message.offset()
        else:
            self._health.on_partition_error(error, name.topic)


def _where(message: Message) -> TopicPartition:
    partition = message.partition()
    return TopicPartition(message.topic() or "", -1 if partition is None else partition)
