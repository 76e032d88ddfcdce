"""The rules of the routes protocol, each in the situation that goes wrong without it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from broker.errors import (
    Abortable,
    BrokerError,
    BrokerUnavailable,
    ClientFailed,
    Fenced,
    MessageTooLarge,
    OffsetOutOfRange,
)
from broker.record import TopicPartition
from contracts.load import load_registry
from contracts.registry import Registry
from ingest.decoding import RunDecoder
from ingest.errors import TopicRecreated
from ingest.metrics import SinkMetrics
from ingest.process import logger
from ingest.router import Router, maxima_of
from ingest.routes import RoutesSink
from ingest.routes_places import RoutesPlaces
from ingest.routes_transaction import MOST_ABORTS, KeepsFailing, Transaction
from ingest.settings import IngestSettings
from ingest.topic_lives import TopicLives
from tests.ingest.fake_kafka import FakeConsumer, FakeKafka
from tests.ingest.routes_fleet import car, pressure_reading

BASE = load_registry()
REGISTRY = Registry(BASE.catalog, {name: BASE.contracts[name] for name in ("car", "pressure")}, BASE.limits)
OUTPUT = REGISTRY.contracts["pressure"].maximum
assert OUTPUT is not None
MAXIMA = OUTPUT.topic
A, B = (TopicPartition("car.telemetry.v1", number) for number in (0, 1))
PRESSURE = TopicPartition("sensor_pressure_stream", 0)
INTERNAL = TopicPartition(OUTPUT.rekey_topic, 0)
LETTERS = "car.telemetry.dlq.v1"
COUNTERS = "car.telemetry.metrics.v1"
REFUSED = Abortable("id", "commit", "refused")


class Identities:
    """Every topic is the same until `life` changes."""

    life = "first"

    def read(self, topics: Sequence[str]) -> Mapping[str, str]:
        return {topic: f"{self.life}.{topic}" for topic in topics}


class Clock:
    """Time passes when the sink pauses, and when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


class Scene:
    """A sink over a Kafka in memory. A transaction stays open until a test lets its time pass."""

    def __init__(
        self, kafka: FakeKafka | None = None, *, period_seconds: float = 0.0, **settings: Any
    ) -> None:
        self.kafka = kafka or FakeKafka()
        self.consumer = FakeConsumer(self.kafka)
        self.clock, self.identities = Clock(), Identities()
        self.metrics = SinkMetrics("routes")
        maxima = maxima_of(REGISTRY)
        log = logger("routes")
        topics = [A.topic, PRESSURE.topic, INTERNAL.topic, MAXIMA]
        lives = TopicLives(self.identities, topics, period_seconds, self.clock)
        places = RoutesPlaces(
            self.consumer, self.kafka.outputs(), maxima, lambda partition, low, high: low, self.metrics,
            log, restore_seconds=5.0, end_abandoned=lambda: None, clock=self.clock, pause=self.clock.pause,
            lives=lives.of_offsets,
        )  # fmt: skip
        self.sink = RoutesSink(
            self.consumer, Transaction(self.kafka, lambda: None, clock=self.clock),
            Router(REGISTRY, RunDecoder(REGISTRY, self.metrics), maxima), places,
            lives,
            IngestSettings(transaction_seconds=1.0, **settings), self.metrics, log,
            clock=self.clock, pause=self.clock.pause,
        )  # fmt: skip
        self.consumer.listener = self.sink

    def owning(self, *partitions: TopicPartition) -> "Scene":
        """With these partitions assigned before the first poll."""
        self.consumer.assign(*partitions)
        self.sink.step()
        return self

    def commit(self) -> None:
        """The transaction's time passes, and it is committed at the next turn."""
        self.clock.now += 1.0
        self.sink.step()

    def settle(self, turns: int = 10) -> None:
        """As many turns as anything could take."""
        for _ in range(turns):
            self.commit()

    def offsets(self) -> dict[TopicPartition, int]:
        """Where the group has come to; beginnings are left out."""
        return {partition: offset for partition, offset in self.kafka.offsets.items() if offset}

    def letters(self) -> list[tuple[int, int]]:
        """(partition, offset) of every dead letter that a reader sees."""
        found = map(json.loads, self.kafka.values(LETTERS))
        return sorted((letter["partition"], letter["offset"]) for letter in found)

    def maxima(self) -> list[tuple[str, float]]:
        found = map(json.loads, self.kafka.values(MAXIMA))
        return [(document["vehicleId"], document["pressureMax"]) for document in found]


def bad(count: int) -> list[bytes | None]:
    return [b"{"] * count


def places(partition: TopicPartition, count: int) -> list[tuple[int, int]]:
    return [(partition.partition, offset) for offset in range(count)]


def raising(*errors: BrokerError) -> list[Callable[[], None]]:
    def one(error: BrokerError) -> Callable[[], None]:
        def fail() -> None:
            raise error

        return fail

    return [one(error) for error in errors]


# -- the ordinary way ------------------------------------------------------------------------------------


def test_a_transaction_holds_letters_anomalies_readings_counters_and_offsets() -> None:
    """A reader sees all of it at once, and nothing before."""
    scene = Scene().owning(A, PRESSURE, INTERNAL)
    scene.kafka.append(A, b"{", car(speed=200.0), car())
    scene.kafka.append(PRESSURE, pressure_reading("v", 5.0))
    scene.sink.step()
    assert scene.kafka.values(LETTERS) == []
    scene.commit()

    assert scene.letters() == [(0, 0)]
    [anomaly] = map(json.loads, scene.kafka.values("car.telemetry.anomaly.v1"))
    assert (anomaly["kind"], anomaly["value"], anomaly["offset"]) == ("overspeed", 200.0, 1)
    [counters] = map(json.loads, scene.kafka.values(COUNTERS))
    assert (counters["processed"], counters["valid"], counters["invalid"], counters["anomalies"]) == (
        3,
        2,
        1,
        1,
    )
    assert len(scene.kafka.values(INTERNAL.topic)) == 1
    assert scene.offsets() == {A: 3, PRESSURE: 1}
    scene.settle()
    assert scene.maxima() == [("v", 5)]
    assert scene.kafka.offsets[INTERNAL] == 1


def test_an_idle_sink_begins_no_transaction() -> None:
    """Turns without messages cost the broker nothing."""
    scene = Scene().owning(A)
    scene.kafka.failures["begin"] = [Abortable("id", "begin", "nobody should ask")]
    scene.settle()
    assert scene.kafka.failures["begin"]


def test_valid_messages_move_the_offsets_too() -> None:
    """Although nothing follows from them."""
    scene = Scene().owning(PRESSURE)
    scene.kafka.append(PRESSURE, *bad(0), pressure_reading("v", 5.0), pressure_reading("v", 4.0))
    scene.settle()
    assert scene.offsets() == {PRESSURE: 2}


def test_a_full_transaction_is_committed_at_once() -> None:
    """By rows; a poll takes no more than fits."""
    scene = Scene(transaction_rows=3).owning(A)
    scene.kafka.append(A, *bad(5))
    scene.sink.step()
    assert scene.offsets() == {A: 3}
    assert scene.letters() == places(A, 3)


# -- rule 1 ----------------------------------------------------------------------------------------------


def test_a_transaction_is_refused_when_the_group_moved_on_behind_its_back() -> None:
    """Its partition has a new owner, who did the same work: who we are counts as of before the first poll."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.kafka.generation += 1
    scene.kafka.append(TopicPartition(LETTERS, 0), *[letter(A, offset) for offset in range(2)])
    scene.kafka.offsets[A] = 2
    scene.settle()
    assert scene.letters() == places(A, 2)
    assert scene.kafka.aborted == 1


def letter(partition: TopicPartition, offset: int) -> bytes:
    return json.dumps({"partition": partition.partition, "offset": offset}).encode()


def test_what_comes_with_the_assignment_is_committed_by_a_member() -> None:
    """Before that poll we were nobody: its messages belong to a transaction of a later poll."""
    scene = Scene()
    scene.kafka.append(A, *bad(3))
    scene.consumer.before_poll.append(lambda: scene.consumer.assign(A))
    scene.settle()
    assert scene.letters() == places(A, 3)
    assert scene.kafka.aborted == 0


# -- rule 2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["revoke", "revoke_late"])
def test_a_revoke_leaves_nothing_open(how: str) -> None:
    """Committed if that is possible, else aborted; the partition's next owner begins where that leaves it."""
    scene = Scene().owning(A, B)
    scene.kafka.append(A, *bad(2))
    scene.kafka.append(B, *bad(2))
    scene.sink.step()
    assert scene.kafka.has_open_transaction
    getattr(scene.consumer, how)(A)

    assert not scene.kafka.has_open_transaction
    other = Scene(scene.kafka).owning(A)
    other.settle()
    scene.settle()
    assert scene.letters() == places(A, 2) + places(B, 2)


def test_a_revoke_commits_what_was_done() -> None:
    """While the partitions are still ours, so that nobody does it again."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.consumer.revoke(A)
    assert scene.offsets() == {A: 2}
    assert scene.letters() == places(A, 2)
    assert scene.kafka.aborted == 0


def test_a_loss_commits_nothing() -> None:
    """The partitions may have another owner already, whatever Kafka would still take from us."""
    scene = Scene().owning(A, B)
    scene.kafka.append(A, *bad(2))
    scene.kafka.append(B, *bad(2))
    scene.sink.step()
    scene.kafka.generation -= 1  # as a broker that does not look
    scene.consumer.lose(A)
    assert not scene.kafka.has_open_transaction
    assert (scene.offsets(), scene.letters()) == ({}, [])
    scene.settle()
    assert scene.letters() == places(B, 2)


# -- rule 3 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["begin", "send", "send_offsets", "commit"])
def test_an_abort_goes_back_and_does_it_again(step: str) -> None:
    """Every message once, and the counters with them."""
    scene = Scene().owning(A, B)
    scene.kafka.append(A, *bad(2))
    scene.settle()
    scene.kafka.append(A, *bad(3))
    scene.kafka.append(B, *bad(2))
    scene.kafka.failures[step] = [REFUSED]
    scene.settle()

    assert scene.letters() == places(A, 5) + places(B, 2)
    assert scene.kafka.aborted == 1 or step == "begin"
    assert sum(json.loads(value)["processed"] for value in scene.kafka.values(COUNTERS)) == 7


def test_an_abort_forgets_the_maxima_it_learned() -> None:
    """They were not published: the same reading must rise again."""
    scene = Scene().owning(PRESSURE, INTERNAL)
    scene.kafka.append(PRESSURE, pressure_reading("v", 5.0))
    scene.sink.step()
    scene.commit()
    assert len(scene.kafka.values(INTERNAL.topic)) == 1
    scene.sink.step()
    assert scene.kafka.has_open_transaction
    scene.kafka.failures["commit"] = [REFUSED]
    scene.settle()
    assert scene.maxima() == [("v", 5)]


def test_an_abort_forgets_what_it_re_keyed() -> None:
    """The reading is not in the internal topic: it must be sent again."""
    scene = Scene().owning(PRESSURE)
    scene.kafka.append(PRESSURE, pressure_reading("v", 5.0))
    scene.kafka.failures["commit"] = [REFUSED]
    scene.settle()
    assert len(scene.kafka.values(INTERNAL.topic)) == 1


def test_what_a_poll_returns_over_an_abort_is_dropped() -> None:
    """It was fetched behind the place that the abort goes back to: routing it would leave a gap."""
    scene = Scene().owning(A, B)
    scene.kafka.append(A, *bad(2))
    scene.kafka.append(B, *bad(1))
    scene.sink.step()
    scene.kafka.append(A, *bad(2))
    scene.consumer.during_poll.append(lambda: scene.consumer.lose(B))
    scene.settle()
    assert scene.letters() == places(A, 4)


def test_a_new_owner_publishes_nothing_below_what_stands() -> None:
    """It reads the output before it begins."""
    scene = Scene().owning(PRESSURE, INTERNAL)
    scene.kafka.append(PRESSURE, pressure_reading("v", 9.0))
    scene.settle()
    scene.consumer.revoke(PRESSURE, INTERNAL)
    other = Scene(scene.kafka).owning(PRESSURE, INTERNAL)
    scene.kafka.append(PRESSURE, pressure_reading("v", 8.0), pressure_reading("w", 1.0))
    other.settle()
    scene.kafka.append(PRESSURE, pressure_reading("v", 10.0))
    other.settle()
    assert scene.maxima() == [("v", 9), ("w", 1), ("v", 10)]


# -- rule 4 ----------------------------------------------------------------------------------------------


def test_a_revoke_inside_a_poll_commits_only_what_was_routed() -> None:
    """Messages that this poll has taken and not returned are not done."""
    scene = Scene().owning(A, B)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.kafka.append(A, *bad(3))
    scene.kafka.append(B, *bad(1))
    scene.consumer.during_poll.append(lambda: scene.consumer.revoke(B))
    scene.sink.step()
    assert scene.kafka.offsets[A] == 2
    scene.settle()
    Scene(scene.kafka).owning(B).settle()
    assert scene.letters() == places(A, 5) + places(B, 1)


# -- trouble ---------------------------------------------------------------------------------------------


def test_a_fenced_process_ends_and_does_not_abort() -> None:
    """Another process has its name."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.kafka.failures["commit"] = [Fenced("id", "newer")]
    scene.sink.step()
    with pytest.raises(Fenced):
        scene.commit()
    assert scene.kafka.aborted == 0


def test_after_its_end_a_revoke_commits_nothing() -> None:
    """What failed must not be finished on the way out."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.sink.step()
    scene.sink.end()
    scene.consumer.revoke(A)
    assert (scene.offsets(), scene.letters()) == ({}, [])


def test_a_stop_commits_what_is_open() -> None:
    """Nothing is done twice because of a restart."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.sink.finish()
    assert scene.offsets() == {A: 2}
    assert scene.letters() == places(A, 2)


def test_an_outage_changes_nothing() -> None:
    """The open transaction stays, and goes on when the broker is back."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.consumer.before_poll += raising(*[BrokerUnavailable("kafka", "polling", "away")] * 3)
    scene.kafka.append(A, *bad(2))
    scene.settle()
    assert scene.letters() == places(A, 4)


def test_a_place_that_the_log_does_not_have_is_looked_up_again() -> None:
    """Of every partition, with nothing left open."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(2))
    scene.sink.step()
    scene.consumer.before_poll += raising(OffsetOutOfRange(*A, 900, 0, 2))
    scene.settle()
    assert scene.letters() == places(A, 2)
    assert scene.kafka.aborted == 1


def test_an_envelope_that_is_refused_for_its_size_goes_bare() -> None:
    """And the next ones are whole again."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.kafka.first_failure = MessageTooLarge(LETTERS, 900_000, "too large")
    scene.kafka.failures["commit"] = [REFUSED]
    scene.settle()
    scene.kafka.first_failure = None
    scene.kafka.append(A, *bad(1))
    scene.settle()
    first, second = map(json.loads, scene.kafka.values(LETTERS))
    assert (first["event"], first["event_cut"], first["size"]) == ("", True, 1)
    assert second["event"] == "{"


def test_what_fails_for_ever_ends_the_process_with_its_cause() -> None:
    """After about two minutes of trying, which a missing right or topic does not survive."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.kafka.failures["commit"] = [REFUSED] * MOST_ABORTS
    with pytest.raises(KeepsFailing, match="refused"):
        scene.settle(turns=3 * MOST_ABORTS)
    assert 60 < scene.clock.now < 300
    assert scene.letters() == []


def test_a_commit_starts_the_count_of_failures_anew() -> None:
    """Rebalances now and then are no reason to give up."""
    scene = Scene().owning(A)
    for _ in range(MOST_ABORTS + 1):
        scene.kafka.append(A, *bad(1))
        scene.kafka.failures["commit"] = [REFUSED]
        scene.settle()
    assert scene.letters() == places(A, MOST_ABORTS + 1)


@pytest.mark.parametrize("when", ["idle", "before a commit"])
def test_a_topic_made_anew_ends_the_process_before_anything_is_committed(when: str) -> None:
    """What was learned belongs to the old one: a restart begins with what the new one has."""
    scene = Scene(period_seconds=0.0 if when == "idle" else 3600.0).owning(A)
    if when == "before a commit":
        scene.kafka.append(A, *bad(1))
        scene.sink.step()
    scene.identities.life = "second"
    with pytest.raises(TopicRecreated):
        scene.settle()
    assert scene.offsets() == {}


@pytest.mark.parametrize(("life", "expected"), [("first", ClientFailed), ("second", TopicRecreated)])
def test_an_abort_that_fails_ends_the_process_with_the_true_reason(
    life: str, expected: type[Exception]
) -> None:
    """A broker that went back in time breaks transactions in ways of its own."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.kafka.failures["send"] = [REFUSED]
    scene.kafka.failures["abort"] = [ClientFailed("abort", "OUT_OF_ORDER_SEQUENCE_NUMBER", "desynchronized")]
    scene.identities.life = life
    with pytest.raises(expected):
        scene.settle()


def test_what_was_sent_is_counted_when_it_is_committed() -> None:
    """By kind; an aborted attempt is not."""
    scene = Scene().owning(A, PRESSURE, INTERNAL)
    scene.kafka.append(A, b"{", car(speed=200.0))
    scene.kafka.append(PRESSURE, pressure_reading("v", 5.0))
    scene.kafka.failures["commit"] = [REFUSED]
    scene.settle()
    value = scene.metrics.registry.get_sample_value
    kinds = {"dead_letter": 1, "anomaly": 1, "reading": 1, "maximum": 1, "metrics": 1}
    for kind, count in kinds.items():
        assert value("fleetlake_messages_out_total", {"sink": "routes", "kind": kind}) == count
    assert value("fleetlake_retries_total", {"sink": "routes"}) == 1
    assert value("fleetlake_uncommitted_records", {"sink": "routes"}) == 0
