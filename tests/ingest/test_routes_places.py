"""Where routes goes on: what Kafka has committed, and maxima from all that was published until then."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import pytest

from broker.errors import BrokerUnavailable
from broker.record import Records, TopicPartition
from broker.stored_offset import Lives, StoredOffset
from contracts.load import load_registry
from ingest.errors import OffsetBehindLog, SinkError
from ingest.maxima import Maxima
from ingest.metrics import SinkMetrics
from ingest.process import logger
from ingest.routes_places import OffsetsBlocked, OutputReader, Outputs, RestoreBlocked, RoutesPlaces
from tests.ingest.routes_fleet import pressure_reading

CONTRACT = load_registry().contracts["pressure"]
assert CONTRACT.maximum is not None
OUTPUT = CONTRACT.maximum
SOURCE = TopicPartition(CONTRACT.topics[0], 0)
INTERNAL = TopicPartition(OUTPUT.rekey_topic, 2)
PUBLISHED = TopicPartition(OUTPUT.topic, 2)


@dataclass
class FakeKafka:
    """Committed offsets, log ends, and an output partition; everything asked is written down in order."""

    group: str = field(default="fleetlake.routes", kw_only=True)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)
    stable: list[int] = field(default_factory=lambda: [2])
    written: int = 2
    values: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    lives: dict[TopicPartition, str] = field(default_factory=dict)

    def stored(
        self, partitions: Iterable[TopicPartition], timeout_s: float
    ) -> Mapping[TopicPartition, StoredOffset | None]:
        self.asked.append("committed")
        return {
            partition: StoredOffset(self.offsets[partition], self.lives.get(partition, ""))
            if partition in self.offsets
            else None
            for partition in partitions
        }

    def watermarks(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
        return self.ends.get(partition, (0, 100))

    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives) -> None:
        self.offsets |= offsets
        self.lives |= {key: lives[key.topic] for key in offsets if key.topic in lives}

    def outputs(self) -> Outputs:
        def committed() -> AbstractContextManager[OutputReader]:
            return nullcontext(StableReader(self))

        def written() -> AbstractContextManager[OutputReader]:
            return nullcontext(WrittenReader(self))

        return Outputs(committed, written)


@dataclass
class StableReader:
    """Sees what is committed; the stable end moves on as scripted."""

    kafka: FakeKafka

    def ends(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
        assert partition == PUBLISHED
        stable = self.kafka.stable
        return 0, stable.pop(0) if len(stable) > 1 else stable[0]

    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterator[Records]:
        self.kafka.asked.append(f"read {start}-{end}")
        values = self.kafka.values[start:end]
        count = len(values)
        yield Records(
            partition.topic, partition.partition, list(range(count)), [0] * count, [b"k"] * count,
            [None] * count, list(values), count,
        )  # fmt: skip


@dataclass
class WrittenReader:
    """Sees all that was written, committed or not."""

    kafka: FakeKafka

    def ends(self, partition: TopicPartition, timeout_s: float) -> tuple[int, int]:
        self.kafka.asked.append("written end")
        return 0, self.kafka.written

    def read(self, partition: TopicPartition, start: int, end: int | None = None) -> Iterator[Records]:
        raise AssertionError(partition)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Scene:
    """Places over a scripted Kafka."""

    kafka: FakeKafka
    maxima: Maxima = field(default_factory=lambda: Maxima(CONTRACT, OUTPUT))
    metrics: SinkMetrics = field(default_factory=lambda: SinkMetrics("routes"))
    ended: list[str] = field(default_factory=list)
    first: int = 0
    life: str = ""

    def take_over(self, *partitions: TopicPartition) -> dict[TopicPartition, int]:
        return self.places(Clock()).take_over(partitions)

    def places(self, clock: "Clock", ask_unstable: Callable[[], object] = lambda: None) -> RoutesPlaces:
        return RoutesPlaces(
            self.kafka,
            self.kafka.outputs(),
            {OUTPUT.rekey_topic: self.maxima},
            lambda partition, low, high: max(low, self.first),
            self.metrics,
            logger("routes"),
            restore_seconds=5.0,
            end_abandoned=lambda: self.ended.append("asked"),
            clock=clock,
            pause=clock.pause,
            lives=lambda: {SOURCE.topic: self.life} if self.life else {},
            ask_unstable=ask_unstable,
        )

    def standing(self) -> dict[str, float]:
        """What a reading would have to exceed."""
        return dict(self.maxima._standing[INTERNAL.partition])


def maximum(vehicle: str, value: float) -> bytes:
    return pressure_reading(vehicle, value).replace(b'"pressure"', b'"pressureMax"')


def test_a_partition_goes_on_at_its_committed_offset() -> None:
    """Nothing else counts."""
    assert Scene(FakeKafka({SOURCE: 42})).take_over(SOURCE) == {SOURCE: 42}


def test_maxima_are_read_after_the_committed_offset_was_answered() -> None:
    """The answer waits for a pending transaction; what that one publishes must be seen."""
    scene = Scene(FakeKafka({INTERNAL: 5}, values=[maximum("v", 3.0), maximum("v", 7.0)]))
    assert scene.take_over(INTERNAL, SOURCE) == {INTERNAL: 5, SOURCE: 0}
    assert scene.kafka.asked == ["committed", "written end", "read 0-2"]
    assert scene.standing() == {"v": 7.0}


def test_a_restore_waits_for_an_unfinished_transaction() -> None:
    """It reads to the end of all that was written, not only to the last stable offset."""
    values = [maximum("v", 3.0), maximum("v", 7.0)]
    scene = Scene(FakeKafka({INTERNAL: 5}, stable=[1, 1, 2], written=2, values=values))
    scene.take_over(INTERNAL)
    assert scene.standing() == {"v": 7.0}
    assert scene.ended == ["asked", "asked"]


def test_a_transaction_that_does_not_end_stops_the_restore_with_a_name() -> None:
    """Going on without it could publish a maximum below one that is committed later."""
    with pytest.raises(RestoreBlocked, match="1 of 2") as raised:
        Scene(FakeKafka({INTERNAL: 5}, stable=[1], written=2)).take_over(INTERNAL)
    assert isinstance(raised.value, SinkError)
    assert raised.value.partition == PUBLISHED


@dataclass
class SilentKafka(FakeKafka):
    """Does not answer what the group has committed."""

    def stored(
        self, partitions: Iterable[TopicPartition], timeout_s: float
    ) -> Mapping[TopicPartition, StoredOffset | None]:
        raise UNANSWERED


UNANSWERED = BrokerUnavailable("127.0.0.1:1", "reading committed offsets", "timed out")


def test_a_transaction_that_never_ends_is_named_when_it_holds_the_offsets_back() -> None:
    """Kafka answers whatever else is asked: waiting longer than any transaction lasts would be for ever."""
    clock, scene = Clock(), Scene(SilentKafka())
    places = scene.places(clock)
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            places.take_over([SOURCE])
        clock.pause(4.0)
    with pytest.raises(OffsetsBlocked, match=r"fleetlake\.routes .* find-hanging") as raised:
        places.take_over([SOURCE])
    assert isinstance(raised.value, SinkError)
    assert scene.ended == ["asked", "asked"]


def test_a_broker_that_answers_nothing_is_waited_for() -> None:
    """However long it takes: nothing is known of its transactions."""

    def ask_unstable() -> None:
        raise UNANSWERED

    clock = Clock()
    places = Scene(SilentKafka()).places(clock, ask_unstable)
    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            places.take_over([SOURCE])
        clock.pause(100.0)


def test_a_source_that_was_never_read_begins_where_the_settings_say() -> None:
    """The decision is recorded at once: a crash before the first message does not make it anew."""
    scene = Scene(FakeKafka(), first=30)
    assert scene.take_over(SOURCE) == {SOURCE: 30}
    assert scene.kafka.offsets == {SOURCE: 30}
    scene.first = 60
    assert scene.take_over(SOURCE) == {SOURCE: 30}


def test_an_internal_partition_always_begins_at_its_start() -> None:
    """Its readings were routed already; `start: latest` is about sources."""
    scene = Scene(FakeKafka(ends={INTERNAL: (3, 100)}, values=[]), first=30)
    assert scene.take_over(INTERNAL) == {INTERNAL: 3}


def test_expired_messages_are_counted_and_named() -> None:
    """Retention removed them unread: going on is all that is left."""
    scene = Scene(FakeKafka({SOURCE: 42}, ends={SOURCE: (50, 100)}))
    assert scene.take_over(SOURCE) == {SOURCE: 50}
    labels = {"sink": "routes", "topic": SOURCE.topic, "partition": "0"}
    assert scene.metrics.registry.get_sample_value("fleetlake_expired_total", labels) == 8


def test_a_log_that_went_back_needs_an_operator() -> None:
    """What was appended since it went back was never routed; nobody can tell it from what was."""
    scene = Scene(FakeKafka({SOURCE: 120}, ends={SOURCE: (0, 100)}))
    with pytest.raises(OffsetBehindLog, match="has committed offset 120, but Kafka's log ends at 100"):
        scene.take_over(SOURCE)


def test_the_offset_of_a_former_life_is_none() -> None:
    """A topic made anew is read from its start, however far its log has grown; the new beginning is stored
    with the new life."""
    scene = Scene(FakeKafka({SOURCE: 42}, lives={SOURCE: "first"}), life="second")
    assert scene.take_over(SOURCE) == {SOURCE: 0}
    assert (scene.kafka.offsets, scene.kafka.lives) == ({SOURCE: 0}, {SOURCE: "second"})


@pytest.mark.parametrize("written", ["second", ""], ids=["with its life", "before lives were written"])
def test_an_offset_of_this_life_is_gone_on_from(written: str) -> None:
    """One without a life was stored by an earlier release."""
    kafka = FakeKafka({SOURCE: 42}, lives={SOURCE: written})
    assert Scene(kafka, life="second").take_over(SOURCE) == {SOURCE: 42}
