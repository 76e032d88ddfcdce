"""Fetching only where there is something: for a broker that answers an empty fetch at once and a fetch of a
backlog with all of it (the embedded one).

Left alone, the client would ask such a broker 20,000 times a second and hold the rest of every log in memory.
Here a partition whose end was reached is paused for a rest, a longer one where nothing comes, and of long
backlogs only as many are fetched at a time as fit the queue: one at least.
"""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Place

from broker.places import placed
from broker.prefetch import Prefetch
from broker.record import TopicPartition

LONGEST_REST = 5
"""A partition at which nothing came for some rests in a row rests this many times as long."""
LONG_AGO_S = 1.0
"""After this long a backlog may have become large: its size is asked before it is fetched."""
ASK_TIMEOUT_S = 0.5


class FetchOnDemand:
    """Pauses and resumes the partitions of one consumer, beside the pauses that the caller asks for."""

    def __init__(self, consumer: Consumer, prefetch: Prefetch, monotonic: Callable[[], float]) -> None:
        self._consumer = consumer
        self._limit, self._rest_s = prefetch.queued_messages, prefetch.rest_s
        self._monotonic = monotonic
        self._next_look = 0.0
        self._resting: dict[TopicPartition, int] = {}
        """Partition -> offset it will go on at. Insertion order makes turns fair."""
        self._rests: dict[TopicPartition, float] = {}
        self._wakes_at: dict[TopicPartition, float] = {}
        self._looked: dict[TopicPartition, float] = {}
        self._ends: dict[TopicPartition, int] = {}
        """Partition that is fetched -> the log's end when its fetching began."""
        self._reached: dict[TopicPartition, int] = {}
        """Where the end was when it was last reached: if it is there again, nothing came."""
        self._held: set[TopicPartition] = set()

    def assigned(self, starts: Mapping[TopicPartition, int]) -> None:
        """Just assigned: nothing is fetched before the size of the backlog is known."""
        self._consumer.pause(placed(starts))
        self._resting.update(starts)
        self._next_look = 0.0

    def given_up(self, names: Iterable[TopicPartition]) -> None:
        for name in names:
            for known in (
                self._resting,
                self._rests,
                self._wakes_at,
                self._looked,
                self._ends,
                self._reached,
            ):
                known.pop(name, None)
            self._held.discard(name)

    def reached_end(self, name: TopicPartition, offset: int) -> None:
        """Everything before `offset` was fetched and nothing more is there."""
        self._consumer.pause([Place(*name)])
        self._ends.pop(name, None)
        self._resting[name] = offset
        now = self._looked[name] = self._monotonic()
        is_idle = self._reached.get(name) == offset
        rest = min(self._rests.get(name, 0.0) * 2, LONGEST_REST * self._rest_s) if is_idle else 0.0
        self._rests[name] = max(rest, self._rest_s)
        self._wakes_at[name] = now + self._rests[name]
        self._reached[name] = offset

    def moved(self, name: TopicPartition, offset: int) -> None:
        """The caller goes on elsewhere in the partition."""
        if name in self._resting:
            self._resting[name] = offset
            self._looked.pop(name, None)
            self._wakes_at.pop(name, None)
            self._next_look = 0.0

    def hold(self, names: Iterable[TopicPartition]) -> None:
        """The caller wants nothing of these."""
        held = set(names)
        self._held |= held
        self._consumer.pause(placed(held))

    def release(self, names: Iterable[TopicPartition]) -> None:
        """The caller wants these again."""
        released = self._held.intersection(names)
        self._held -= released
        self._consumer.resume(placed(released & self._ends.keys()))
        self._next_look = 0.0

    def look(self) -> float:
        """Wakes the partitions whose rest is over; returns the seconds until the next look."""
        now = self._monotonic()
        if now >= self._next_look:
            self._next_look = now + self._rest_s
            self._wake(now)
        return max(0.001, self._next_look - now)

    def _wake(self, now: float) -> None:
        room = self._limit - self._unread_of_fetched()
        awake: dict[TopicPartition, int] = {}
        for name, at in self._resting.items():
            if (self._ends or awake) and room < self._limit // 2:
                break
            if name in self._held or now < self._wakes_at.get(name, 0.0):
                continue
            end = self._end_to_fetch(name, at, now)
            if end is not None:
                awake[name] = end
                room -= end - at
        for name in awake:
            del self._resting[name]
        self._ends |= awake
        if awake:
            self._consumer.resume(placed(awake))
            self._rouse(next(iter(awake)))

    def _unread_of_fetched(self) -> int:
        places = self._consumer.position(placed(self._ends))
        ends = self._ends.values()
        return sum(max(0, end - place.offset) for place, end in zip(places, ends, strict=True))

    def _end_to_fetch(self, name: TopicPartition, at: int, now: float) -> int | None:
        """The log's end if something may wait, None if not; asked only if it may be much."""
        if now - self._looked.get(name, now - 2 * LONG_AGO_S) < LONG_AGO_S:
            return at
        try:
            low, high = self._consumer.get_watermark_offsets(Place(*name), ASK_TIMEOUT_S)
        except KafkaException:
            self._next_look = now + LONG_AGO_S  # busy or away: asking again is what finds it
            return None
        self._looked[name] = now
        return None if low <= at == high else high

    def _rouse(self, name: TopicPartition) -> None:
        """The client's broker thread sleeps up to a second when nothing is fetched; any request wakes it."""
        try:
            self._consumer.get_watermark_offsets(Place(*name), ASK_TIMEOUT_S)
        except KafkaException:
            return
