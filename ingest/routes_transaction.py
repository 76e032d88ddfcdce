"""One Kafka transaction at a time: messages and the group's offsets become visible together or not at all.

Whatever goes wrong, its outcome is known before anything else happens: a step without an answer is asked
again, a transaction that cannot be committed is aborted, and if neither is possible the process ends, so that
its successor's first act settles it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

from broker.errors import BrokerError, Fenced, MessageTooLarge, TransactionUnfinished
from broker.metadata import GroupMetadata
from broker.producer import Headers
from broker.record import TopicPartition
from ingest.errors import OperatorNeeded, Recoverable
from ingest.outgoing import Outgoing

STEP_SECONDS = 2.0
"""What a step is given for its answer before it is asked again; the client library may take far longer."""

LOOK_SECONDS = 0.2
"""How often to look whether to go on waiting."""


MOST_ABORTS = 20
"""In a row, each tried later than the one before: about two minutes."""


class Step(StrEnum):
    """What has just been done. A crash between any two of them changes nothing that readers see."""

    BEGUN = "begun"
    SENT = "sent"
    OFFSETS_SENT = "offsets_sent"
    COMMITTED = "committed"


Steps = Callable[[Step], object]


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
        self, offsets: Mapping[TopicPartition, int], group: GroupMetadata, timeout_s: float
    ) -> None: ...
    def commit(self, timeout_s: float) -> None: ...
    def abort(self, timeout_s: float) -> None: ...


class Transaction:
    """The open transaction, if any. `keeps_on()` is asked while a step has no answer; it may raise."""

    def __init__(
        self,
        producer: Producer,
        keeps_on: Callable[[], object],
        *,
        done: Steps = lambda step: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._producer, self._keeps_on, self._done, self._clock = producer, keeps_on, done, clock
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
        self._done(Step.BEGUN)

    def send(self, message: Outgoing) -> None:
        """Queues a message. Raises MustAbort."""
        try:
            self._producer.send(
                message.topic, message.key, message.value, message.headers, partition=message.partition
            )
        except BrokerError as error:
            raise self._failed(error) from error

    def commit(self, offsets: Mapping[TopicPartition, int], patience_seconds: float) -> None:
        """1. the offsets become part of it; 2. all of it becomes visible. Raises MustAbort."""
        assert self._group is not None  # noqa: S101 - begin came first
        group = self._group
        self._done(Step.SENT)
        try:
            self._ask(lambda: self._producer.send_offsets(offsets, group, STEP_SECONDS), patience_seconds)
            self._done(Step.OFFSETS_SENT)
            self._ask(lambda: self._producer.commit(STEP_SECONDS), patience_seconds)
        except BrokerError as error:
            raise self._failed(error) from error
        self._group = None
        self._done(Step.COMMITTED)

    def abort(self, patience_seconds: float) -> None:
        """Nothing of it will be seen by a read-committed reader."""
        if not self.is_open:
            return
        self._ask(lambda: self._producer.abort(STEP_SECONDS), patience_seconds)
        self._group = None

    def _failed(self, error: BrokerError) -> Exception:
        if isinstance(error, Fenced):
            return error
        first = self._producer.first_failure
        is_too_large = isinstance(error, MessageTooLarge) or isinstance(first, MessageTooLarge)
        return MustAbort(first or error, is_too_large=is_too_large)

    def _ask(self, step: Callable[[], None], patience_seconds: float) -> None:
        """Nothing but the same step may follow a step without an answer."""
        began = self._clock()
        while True:
            try:
                self._answer(step)
            except TransactionUnfinished as error:
                waited = self._clock() - began
                if waited > patience_seconds:
                    raise TransactionStuck(error.step, waited, error.detail) from error
                self._keeps_on()
            else:
                return

    def _answer(self, step: Callable[[], None]) -> None:
        """In a thread of its own, because the client library cannot be interrupted. Who gives up waiting ends
        the process, and the thread with it."""
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                step()
            except BaseException as failure:  # noqa: BLE001 - raised by who waits
                failures.append(failure)

        thread = threading.Thread(target=ask, name="transaction-step", daemon=True)
        thread.start()
        thread.join(LOOK_SECONDS)
        while thread.is_alive():
            self._keeps_on()
            thread.join(LOOK_SECONDS)
        if failures:
            raise failures[0]
