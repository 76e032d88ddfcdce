"""One Kafka transaction at a time: messages and the group's offsets become visible together or not at all.

Whatever goes wrong, its outcome is known before anything else happens: a step without an answer is asked
again, a transaction that cannot be committed is aborted, and if neither is possible the process ends, so that
its successor's first act settles it.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from functools import partial
from typing import Protocol

from broker.aside import aside
from broker.errors import BrokerError, Fenced, MessageTooLarge, TransactionUnfinished
from broker.metadata import GroupMetadata
from broker.producer import Headers
from broker.record import TopicPartition
from broker.stored_offset import Lives
from ingest.errors import OperatorNeeded, Recoverable
from ingest.outgoing import Outgoing
from ingest.steps import RoutesStep, Steps

STEP_SECONDS = 2.0
"""What a step is given for its answer before it is asked again."""

OVERDUE_SECONDS = 10.0
"""A step that did not come back by then may never: the client library does not keep to its time while it
waits for the group's coordinator (librdkafka issues 5456 and 5511)."""

TRANSACTION_SECONDS = 30.0
"""Kafka aborts a transaction by itself after this: nobody who reads committed messages waits longer for a
process that is gone, and no step is asked for longer."""

LOOK_SECONDS = 0.2
"""How often to look whether to go on waiting."""

MOST_ABORTS = 20
"""In a row, each tried later than the one before: about two minutes."""


class TransactionStuck(Recoverable):
    """The broker did not answer a step of a transaction for too long; a restart settles what became of it.

    Operator action: see why Kafka does not answer.
    """

    def __init__(self, step: str, seconds: float, detail: str) -> None:
        self.step, self.seconds, self.detail = step, seconds, detail
        super().__init__(f"no answer to {step} of a transaction for {seconds:.0f} s: {detail}")


class KeepsFailing(OperatorNeeded):
    """Transactions fail again and again; nothing is lost, and nothing goes on.

    Operator action: read the cause; usually a topic is missing, or refuses what is written to it (its
    max.message.bytes must be at least Kafka's default).
    """

    def __init__(self, attempts: int, cause: Exception) -> None:
        self.attempts, self.cause = attempts, cause
        super().__init__(f"{attempts} transactions in a row were aborted: {cause}")


class MustAbort(Exception):
    """The open transaction cannot be committed. `is_too_large`: a topic refused a message for its size."""

    def __init__(self, cause: BrokerError, *, is_too_large: bool) -> None:
        self.cause, self.is_too_large = cause, is_too_large
        super().__init__(str(cause))


class Producer(Protocol):
    """What a transaction needs of the client."""

    @property
    def first_failure(self) -> BrokerError | None: ...
    def begin(self) -> None: ...
    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> None: ...
    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], group: GroupMetadata, timeout_s: float, lives: Lives
    ) -> None: ...
    def commit(self, timeout_s: float) -> None: ...
    def abort(self, timeout_s: float) -> None: ...


class Transaction:
    """The open transaction, if any. `keeps_on()` is asked while a step has no answer; it may raise.
    `unanswered(step, detail)` is told when a step has to be asked again, once.
    """

    def __init__(
        self,
        producer: Producer,
        keeps_on: Callable[[], object],
        *,
        done: Steps = lambda step: None,
        unanswered: Callable[[str, str], object] = lambda step, detail: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer, self._keeps_on, self._done, self._clock = producer, keeps_on, done, clock
        self._unanswered = unanswered
        self._group: GroupMetadata | None = None
        self._since = 0.0
        self.rows = 0

    @property
    def is_open(self) -> bool:
        return self._group is not None

    @property
    def age(self) -> float:
        """Seconds since it was begun; 0 where none is open."""
        return self._clock() - self._since if self.is_open else 0.0

    def begin(self, group: GroupMetadata) -> None:
        """`group` was captured before the first poll of what this transaction will hold. Raises MustAbort."""
        if self.is_open:
            return
        try:
            self._producer.begin()
        except BrokerError as error:
            raise self._failed(error) from error
        self._group, self._since, self.rows = group, self._clock(), 0
        self._done(RoutesStep.BEGUN)

    def send(self, message: Outgoing) -> None:
        """Queues a message. Raises MustAbort."""
        try:
            self._producer.send(
                message.topic, message.key, message.value, message.headers, partition=message.partition
            )
        except BrokerError as error:
            raise self._failed(error) from error

    def commit(self, offsets: Mapping[TopicPartition, int], lives: Lives, patience_seconds: float) -> None:
        """1. the offsets, of these lives of topics, become part of it; 2. all of it becomes visible. Raises
        MustAbort."""
        assert self._group is not None  # noqa: S101 - begin came first
        group = self._group
        self._done(RoutesStep.SENT)
        try:
            send_offsets = partial(self._producer.send_offsets, offsets, group, STEP_SECONDS, lives)
            self._ask("send_offsets", send_offsets, patience_seconds)
            self._done(RoutesStep.OFFSETS_SENT)
            self._ask("commit", lambda: self._producer.commit(STEP_SECONDS), patience_seconds)
        except BrokerError as error:
            raise self._failed(error) from error
        self._group = None
        self._done(RoutesStep.COMMITTED)

    def abort(self, patience_seconds: float) -> None:
        """Nothing of it will be seen by a read-committed reader."""
        if not self.is_open:
            return
        self._ask("abort", lambda: self._producer.abort(STEP_SECONDS), patience_seconds)
        self._group = None
        self._done(RoutesStep.ABORTED)

    def _failed(self, error: BrokerError) -> Exception:
        if isinstance(error, Fenced):
            return error
        first = self._producer.first_failure
        is_too_large = isinstance(error, MessageTooLarge) or isinstance(first, MessageTooLarge)
        return MustAbort(first or error, is_too_large=is_too_large)

    def _ask(self, name: str, step: Callable[[], None], patience_seconds: float) -> None:
        """Nothing but the same step may follow a step without an answer."""
        began, patience = self._clock(), min(patience_seconds, TRANSACTION_SECONDS)
        is_told = False
        while True:
            try:
                self._answer(name, step)
            except TransactionUnfinished as error:
                waited = self._clock() - began
                if waited > patience:
                    raise TransactionStuck(name, waited, error.detail) from error
                if not is_told:
                    self._unanswered(name, error.detail)
                is_told = True
                self._keeps_on()
            else:
                return

    def _answer(self, name: str, step: Callable[[], None]) -> None:
        """In a thread of its own, because the client library cannot be interrupted. Who gives up waiting ends
        the process, and the thread with it."""
        began = self._clock()
        answer = aside(step, "transaction-step")
        while wait([answer], LOOK_SECONDS).not_done:
            self._keeps_on()
            if (waited := self._clock() - began) > OVERDUE_SECONDS:
                raise TransactionStuck(name, waited, "the Kafka client did not come back")
        answer.result()
