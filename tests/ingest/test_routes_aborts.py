"""Transactions of routes that fail: what is taken back, what is done again, and what ends the process."""

import json

import pytest

from broker.errors import (
    BrokerUnavailable,
    ClientFailed,
    Fenced,
    MessageTooLarge,
    OffsetOutOfRange,
)
from ingest.errors import TopicRecreated
from ingest.routes_transaction import MOST_ABORTS, KeepsFailing
from tests.ingest.routes_fleet import pressure_reading
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
    raising,
)


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


def test_a_fenced_process_ends_and_does_not_abort() -> None:
    """Another process has its name."""
    scene = Scene().owning(A)
    scene.kafka.append(A, *bad(1))
    scene.kafka.failures["commit"] = [Fenced("id", "newer")]
    scene.sink.step()
    with pytest.raises(Fenced):
        scene.commit()
    assert scene.kafka.aborted == 0


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
