"""The rules of the routes protocol, each in the situation that goes wrong without it."""

import json

import pytest

from broker.errors import (
    Abortable,
)
from broker.record import TopicPartition
from ingest.errors import TopicRecreated
from tests.ingest.routes_fleet import car, pressure_reading
from tests.ingest.routes_scene import (
    COUNTERS,
    INTERNAL,
    LETTERS,
    PRESSURE,
    REFUSED,
    A,
    B,
    Scene,
    bad,
    places,
)


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
