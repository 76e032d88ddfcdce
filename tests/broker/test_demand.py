"""Fetching on demand: rest at the log's end, long backlogs one by one."""

import json
import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place

import broker.consumer
from broker.demand import LONG_AGO_S, LONGEST_REST, FetchOnDemand
from broker.prefetch import THROUGHPUT
from broker.record import TopicPartition
from broker.settings import KafkaSettings
from tests.broker.members import Join, MakeTopic, Send

REST_S = THROUGHPUT.rest_s
A, B, C = (TopicPartition("t", number) for number in range(3))


class Client:
    """A consumer whose logs the test sets; it remembers which partitions are fetched."""

    def __init__(self, **ends: int) -> None:
        self.ends = {TopicPartition("t", "abc".index(name)): end for name, end in ends.items()}
        self.positions = dict.fromkeys(self.ends, 0)
        self.paused: set[TopicPartition] = set()
        self.asked: list[TopicPartition] = []
        self.is_away = False

    def pause(self, places: list[Place]) -> None:
        self.paused |= {TopicPartition(place.topic, place.partition) for place in places}

    def resume(self, places: list[Place]) -> None:
        self.paused -= {TopicPartition(place.topic, place.partition) for place in places}

    def get_watermark_offsets(self, place: Place, timeout: float) -> tuple[int, int]:
        if self.is_away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        name = TopicPartition(place.topic, place.partition)
        self.asked.append(name)
        return 0, self.ends[name]

    def position(self, places: list[Place]) -> list[Place]:
        return [
            Place(p.topic, p.partition, self.positions[TopicPartition(p.topic, p.partition)]) for p in places
        ]

    @property
    def fetched(self) -> set[TopicPartition]:
        return set(self.ends) - self.paused


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def demand_of(client: Client, clock: Clock, limit: int = 100) -> FetchOnDemand:
    prefetch = replace(THROUGHPUT, queued_messages=limit)
    demand = FetchOnDemand(client, prefetch, clock)  # type: ignore[arg-type]  # the part of a consumer it calls
    demand.assigned(dict.fromkeys(client.ends, 0))
    return demand


def test_nothing_is_fetched_before_its_size_is_known(clock: Clock) -> None:
    """An assignment alone fetches nothing; a look fetches what has records."""
    client = Client(a=10, b=0)
    demand = demand_of(client, clock)
    assert client.fetched == set()

    demand.look()

    assert client.fetched == {A}


def test_long_backlogs_are_fetched_one_by_one(clock: Clock) -> None:
    """The next begins when half the queue is free; one is always fetched, however long."""
    client = Client(a=5000, b=5000, c=5000)
    demand = demand_of(client, clock)
    demand.look()
    assert client.fetched == {A}

    client.positions[A] = 4900
    clock.now += REST_S
    demand.look()
    assert client.fetched == {A}

    client.positions[A] = 4950
    clock.now += REST_S
    demand.look()
    assert client.fetched == {A, B}


def test_short_backlogs_are_fetched_together(clock: Clock) -> None:
    """There is room for all."""
    client = Client(a=10, b=10, c=10)
    demand_of(client, clock).look()

    assert client.fetched == {A, B, C}


def test_a_partition_at_its_end_rests_and_wakes(clock: Clock) -> None:
    """For a rest, then it is fetched again; that costs no question while the rest was short."""
    client = Client(a=10)
    demand = demand_of(client, clock)
    demand.look()
    client.asked.clear()
    demand.reached_end(A, 10)
    assert client.fetched == set()
    assert 0 < demand.look() <= REST_S

    clock.now += REST_S
    demand.look()

    assert client.fetched == {A}
    assert client.asked == [A]  # only to rouse the client


def test_a_quiet_partition_rests_longer(clock: Clock) -> None:
    """Twice as long each time, up to a bound; a record makes the rests short again."""
    client = Client(a=10)
    demand = demand_of(client, clock)
    demand.look()

    def rest_after(end: int) -> float:
        demand.reached_end(A, end)
        began = clock.now
        while not client.fetched:
            clock.now += REST_S / 4
            demand.look()
        return clock.now - began

    rests = [rest_after(end) / REST_S for end in (10, 10, 10, 10, 10, 11, 11)]

    assert rests == pytest.approx([1, 2, 4, LONGEST_REST, LONGEST_REST, 1, 2], abs=1.01)
    assert rests[3] > rests[1] > rests[0]
    assert rests[5] < rests[4]


def test_after_a_long_absence_the_size_is_asked_again(clock: Clock) -> None:
    """A store that was away for minutes must not end in all logs being fetched at once."""
    client = Client(a=10, b=10)
    demand = demand_of(client, clock)
    demand.look()
    for name in (A, B):
        demand.reached_end(name, 10)
        client.positions[name] = 10
    client.ends = {A: 5000, B: 5000}
    clock.now += LONG_AGO_S

    demand.look()

    assert client.fetched == {A}


def test_a_held_partition_is_not_woken(clock: Clock) -> None:
    """What the sink paused stays paused until it says so."""
    client = Client(a=10, b=10)
    demand = demand_of(client, clock)
    demand.hold([A])
    demand.look()
    assert client.fetched == {B}

    demand.release([A])
    demand.look()

    assert client.fetched == {A, B}


def test_a_held_partition_that_was_being_fetched_goes_on(clock: Clock) -> None:
    """Holding does not forget that its end was not reached."""
    client = Client(a=10)
    demand = demand_of(client, clock)
    demand.look()
    demand.hold([A])
    assert client.fetched == set()

    demand.release([A])

    assert client.fetched == {A}


def test_a_seek_to_before_the_end_wakes(clock: Clock) -> None:
    """At once, without waiting for the rest to be over."""
    client = Client(a=10)
    demand = demand_of(client, clock)
    demand.look()
    demand.reached_end(A, 10)

    demand.moved(A, 3)
    demand.look()

    assert client.fetched == {A}


def test_a_log_that_went_back_is_fetched(clock: Clock) -> None:
    """So that the client finds the offset out of range and says so."""
    client = Client(a=10)
    demand = demand_of(client, clock)
    demand.look()
    demand.reached_end(A, 10)
    client.ends[A] = 4
    clock.now += LONG_AGO_S

    demand.look()

    assert client.fetched == {A}


def test_a_broker_that_is_away_is_asked_seldom(clock: Clock) -> None:
    """Every question may take its timeout: one a second."""
    client = Client(a=10, b=10)
    demand = demand_of(client, clock)
    client.is_away = True

    assert demand.look() == pytest.approx(LONG_AGO_S)
    client.is_away = False
    clock.now += LONG_AGO_S
    demand.look()

    assert client.fetched == {A, B}


def test_what_was_given_up_is_forgotten(clock: Clock) -> None:
    """Its records do not count as queued any more."""
    client = Client(a=5000, b=5000)
    demand = demand_of(client, clock)
    demand.look()
    assert client.fetched == {A}

    demand.given_up([A])
    clock.now += REST_S
    demand.look()

    assert B in client.fetched


def test_an_idle_consumer_leaves_the_broker_alone(
    kafka_settings: KafkaSettings,
    make_topic: MakeTopic,
    send: Send,
    join: Join,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few fetches per rest; left alone the client asks the embedded broker thousands of times a second."""
    counts: list[int] = []
    counting = {
        "statistics.interval.ms": 100,
        "stats_cb": lambda text: counts.append(fetches_in(json.loads(text))),
    }
    monkeypatch.setattr(broker.consumer, "Consumer", lambda options: Consumer({**options, **counting}))
    topic = make_topic(3)
    send(topic, b"1")
    member = join([topic], settings=kafka_settings)
    member.poll_values(1)
    counts.clear()
    began = time.monotonic()
    member.poll_until(lambda: len(counts) > 1 and time.monotonic() > began + 1)

    seconds = time.monotonic() - began
    assert 1 < counts[-1] - counts[0] < seconds / REST_S * 100


def fetches_in(statistics: dict[str, dict[str, dict[str, dict[str, int]]]]) -> int:
    """How many fetches the client has sent to all brokers; they are requests of the client's statistics."""
    return sum(known["req"].get("Fetch", 0) for known in statistics["brokers"].values())
