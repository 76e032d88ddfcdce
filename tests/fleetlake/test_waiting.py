"""When `fleetlake wait` returns, against a log that moves as scripted."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from broker.errors import BrokerUnavailable
from broker.record import TopicPartition
from fleetlake.stack.progress import Route, Span, behind
from fleetlake.stack.waiting import StillBehind, wait_until_done

AWAY = BrokerUnavailable("127.0.0.1:1", "reading offsets", "its coordinator is moving")
A, B, INNER = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("inner", 0)
HISTORY = Route("history", ["a"])
ROUTES = Route("routes", ["a"], ["inner"])


@dataclass
class ScriptedLog:
    """Ends, and the offsets of each sink one step after the other; the last step stays."""

    log: dict[TopicPartition, int]
    steps: dict[str, list[dict[TopicPartition, int] | BrokerUnavailable]]
    now: float = 0.0
    asked: dict[str, int] = field(default_factory=dict)

    def spans(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        return {key: Span(0, end) for key, end in self.log.items() if key.topic in set(topics) and end}

    def committed(self, sink: str) -> dict[TopicPartition, int]:
        steps = self.steps[sink]
        step = steps[min(self.asked.get(sink, 0), len(steps) - 1)]
        if isinstance(step, BrokerUnavailable):
            raise step
        return step

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for sink in self.steps:
            self.asked[sink] = self.asked.get(sink, 0) + 1

    def wait(self, *routes: Route, timeout: float = 10.0) -> float:
        wait_until_done(self, routes, timeout, clock=self.clock, sleep=self.sleep)
        return self.now


def test_an_empty_log_is_done() -> None:
    """Partitions without messages need no offset."""
    assert ScriptedLog({A: 0, B: 0}, {"history": [{}]}).wait(HISTORY) == 0


def test_every_sink_has_to_arrive() -> None:
    """The slowest one counts."""
    log = ScriptedLog({A: 5}, {"history": [{A: 5}], "state": [{}, {A: 3}, {A: 5}]})
    assert log.wait(HISTORY, Route("state", ["a"])) == pytest.approx(0.4)


def test_kafka_may_be_away_for_a_while() -> None:
    """A leader or a coordinator that moves ends no command that waits."""
    log = ScriptedLog({A: 5}, {"history": [{A: 3}, AWAY, AWAY, {A: 5}]})
    assert log.wait(HISTORY) == pytest.approx(0.6)


def test_a_kafka_that_stays_away_is_named() -> None:
    """Not the messages that may be left: nothing is known of them."""
    log = ScriptedLog({A: 5}, {"history": [{A: 3}, AWAY]})
    with pytest.raises(BrokerUnavailable):
        log.wait(HISTORY, timeout=1.0)


def test_messages_that_come_later_do_not_count() -> None:
    """The ends are those of the call."""
    log = ScriptedLog({A: 5}, {"history": [{A: 4}, {A: 5}]})
    original = log.sleep

    def sleep(seconds: float) -> None:
        log.log[A] += 100
        original(seconds)

    wait_until_done(log, [HISTORY], 10, clock=log.clock, sleep=sleep)
    assert log.now == pytest.approx(0.2)


def test_what_a_sink_sends_to_itself_has_to_be_read_too() -> None:
    """Its inner topic counts as it is once the sources are done."""
    log = ScriptedLog({A: 5, INNER: 0}, {"routes": [{A: 3}, {A: 5, INNER: 1}, {A: 5, INNER: 4}]})
    original = log.sleep

    def sleep(seconds: float) -> None:
        log.log[INNER] = 4
        original(seconds)

    wait_until_done(log, [ROUTES], 10, clock=log.clock, sleep=sleep)
    assert log.now == pytest.approx(0.4)


def test_after_the_timeout_it_says_what_is_left() -> None:
    """Per sink and partition."""
    log = ScriptedLog({A: 5, B: 100}, {"history": [{A: 5, B: 40}], "routes": [{A: 5, B: 100}]})
    with pytest.raises(StillBehind) as caught:
        log.wait(HISTORY, ROUTES, timeout=1.0)
    assert caught.value.left == {"history": {B: 60}}
    assert str(caught.value) == "after 1 s there is still something to do: history: 60 messages (a/1 60)"
    assert 1.0 <= log.now < 1.5


def test_what_retention_removed_does_not_count() -> None:
    """A sink that never ran has to do what is there, not what once was."""
    assert behind({A: Span(90, 100), B: Span(90, 100)}, {B: 95}) == {A: 10, B: 5}


def test_an_offset_of_another_log_says_nothing() -> None:
    """The log went back, or the topic is another one: a sink that stopped for it has done none of it."""
    place = TopicPartition("t", 0)
    assert behind({place: Span(0, 7)}, {place: 10_842}) == {place: 7}
