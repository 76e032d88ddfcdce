"""One transaction at a time: every step in its order, and no step without an answer is left behind."""

import threading
from collections.abc import Mapping, Sequence

import pytest

from broker.errors import Abortable, BrokerError, ClientFailed, Fenced, MessageTooLarge, TransactionUnfinished
from broker.metadata import GroupMetadata
from broker.producer import Headers
from broker.record import TopicPartition
from broker.stored_offset import Lives
from ingest.outgoing import Outgoing
from ingest.routes_transaction import MustAbort, Transaction, TransactionStuck
from ingest.steps import Step
from tests.ingest.routes_process import TRANSACTION

GROUP = GroupMetadata("us")
PLACES = {TopicPartition("t", 0): 7}
LIVES = {"t": "life"}
LETTER = Outgoing("dead_letter", "t.dlq", b"k", b"v", [("h", b"1")], None)
UNFINISHED = TransactionUnfinished("id", "commit", "no answer")


class FakeProducer:
    """Fails as scripted: the errors of a step are raised one after the other, then it succeeds."""

    def __init__(self, **script: Sequence[BrokerError]) -> None:
        self.calls: list[str] = []
        self.offsets: Mapping[TopicPartition, int] = {}
        self.group: GroupMetadata | None = None
        self.lives: Lives = {}
        self.first_failure: BrokerError | None = None
        self._script = {step: list(failures) for step, failures in script.items()}

    def begin(self) -> None:
        self._do("begin")

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> None:
        self.sent = (topic, key, value, headers, partition)
        self._do("send")

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], group: GroupMetadata, timeout_s: float, lives: Lives
    ) -> None:
        self.offsets, self.group, self.lives = offsets, group, lives
        self._do("send_offsets")

    def commit(self, timeout_s: float) -> None:
        self._do("commit")

    def abort(self, timeout_s: float) -> None:
        self._do("abort")

    def _do(self, step: str) -> None:
        self.calls.append(step)
        if failures := self._script.get(step):
            raise failures.pop(0)


class Clock:
    """Ten seconds pass between two looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def test_a_transaction_is_begun_once_filled_and_committed_with_the_offsets() -> None:
    """A crash may come after any of the steps that it tells."""
    producer, steps = FakeProducer(), list[Step]()
    transaction = Transaction(producer, lambda: None, done=steps.append)
    transaction.begin(GROUP)
    transaction.begin(GroupMetadata("somebody else"))
    transaction.send(LETTER)
    transaction.commit(PLACES, LIVES, 60)

    assert producer.calls == ["begin", "send", "send_offsets", "commit"]
    assert (producer.offsets, producer.group, producer.lives) == (PLACES, GROUP, LIVES)
    assert producer.sent == ("t.dlq", b"k", b"v", [("h", b"1")], None)
    assert steps == list(TRANSACTION)
    assert not transaction.is_open


@pytest.mark.parametrize("step", ["send_offsets", "commit"])
def test_a_step_without_an_answer_is_asked_again(step: str) -> None:
    """Its outcome is not known, so nothing else may follow it."""
    producer, asked = FakeProducer(**{step: [UNFINISHED, UNFINISHED]}), list[int]()
    transaction = Transaction(producer, lambda: asked.append(1))
    transaction.begin(GROUP)
    transaction.commit(PLACES, LIVES, 60)
    assert producer.calls.count(step) == 3
    assert len(asked) == 2
    assert "abort" not in producer.calls


def test_an_abort_without_an_answer_is_asked_again() -> None:
    """Only then is the transaction over."""
    producer = FakeProducer(abort=[UNFINISHED])
    transaction = Transaction(producer, lambda: None)
    transaction.begin(GROUP)
    transaction.abort(60)
    assert producer.calls == ["begin", "abort", "abort"]
    assert not transaction.is_open
    transaction.abort(60)
    assert len(producer.calls) == 3


def test_patience_ends_with_the_transaction_still_open() -> None:
    """Whoever goes on must be another process: its first act settles what became of it."""
    transaction = Transaction(FakeProducer(commit=[UNFINISHED] * 99), lambda: None, clock=Clock())
    transaction.begin(GROUP)
    with pytest.raises(TransactionStuck, match="commit"):
        transaction.commit(PLACES, LIVES, 30)
    assert transaction.is_open


def test_patience_is_never_longer_than_a_transaction_lives() -> None:
    """Behind that Kafka has aborted it by itself, and an answer would change nothing."""
    transaction = Transaction(FakeProducer(commit=[UNFINISHED] * 99), lambda: None, clock=Clock())
    transaction.begin(GROUP)
    with pytest.raises(TransactionStuck, match="commit of a transaction for 40 s"):
        transaction.commit(PLACES, LIVES, 600)


def test_a_client_that_does_not_come_back_is_left() -> None:
    """It may wait for the group's coordinator for ever, whatever time it was given."""
    coming_back = threading.Event()

    class Hanging(FakeProducer):
        def send_offsets(self, *arguments: object) -> None:
            coming_back.wait(30)

    transaction = Transaction(Hanging(), lambda: None, clock=Clock())
    transaction.begin(GROUP)
    try:
        with pytest.raises(TransactionStuck, match="send_offsets of a transaction for 20 s"):
            transaction.commit(PLACES, LIVES, 600)
    finally:
        coming_back.set()
    assert transaction.is_open


def test_that_a_step_is_asked_again_is_told_once() -> None:
    """Not every two seconds."""
    told: list[tuple[str, str]] = []
    transaction = Transaction(
        FakeProducer(send_offsets=[UNFINISHED], commit=[UNFINISHED] * 3),
        lambda: None,
        unanswered=lambda step, detail: told.append((step, detail)),
    )
    transaction.begin(GROUP)
    transaction.commit(PLACES, LIVES, 60)
    assert told == [("send_offsets", "no answer"), ("commit", "no answer")]


def test_who_waits_is_asked_whether_to_go_on() -> None:
    """A stop or a new life of the broker ends the waiting."""
    transaction = Transaction(FakeProducer(commit=[UNFINISHED]), stop)
    transaction.begin(GROUP)
    with pytest.raises(KeyboardInterrupt):
        transaction.commit(PLACES, LIVES, 30)
    assert transaction.is_open


def stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["begin", "send", "send_offsets", "commit"])
@pytest.mark.parametrize("error", [Abortable("id", "step", "refused"), ClientFailed("x", "_STATE", "no")])
def test_what_cannot_be_committed_must_be_aborted(step: str, error: BrokerError) -> None:
    """Whatever the reason, unless another process took over."""
    transaction = Transaction(FakeProducer(**{step: [error]}), lambda: None)
    with pytest.raises(MustAbort) as raised:
        go_through(transaction)
    assert raised.value.cause is error
    assert not raised.value.is_too_large


@pytest.mark.parametrize("step", ["begin", "send", "send_offsets", "commit"])
def test_a_process_whose_place_was_taken_ends(step: str) -> None:
    """It must not abort: the transaction is not its own any more."""
    transaction = Transaction(FakeProducer(**{step: [Fenced("id", "newer")]}), lambda: None)
    with pytest.raises(Fenced):
        go_through(transaction)


def go_through(transaction: Transaction) -> None:
    transaction.begin(GROUP)
    transaction.send(LETTER)
    transaction.commit(PLACES, LIVES, 60)


def test_the_first_refused_message_is_the_reason() -> None:
    """The client tells of the transaction only that it must be aborted."""
    producer = FakeProducer(commit=[Abortable("id", "commit", "something failed")])
    producer.first_failure = MessageTooLarge("t.dlq", 900_000, "too large")
    transaction = Transaction(producer, lambda: None)
    with pytest.raises(MustAbort) as raised:
        go_through(transaction)
    assert raised.value.is_too_large
    assert raised.value.cause is producer.first_failure
