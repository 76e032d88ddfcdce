"""Transactions: messages and group offsets that become visible together or not at all."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message

from broker import errors
from broker.client import FENCED, MISSING_TOPIC, TOO_LARGE, UNAVAILABLE, translate
from broker.metadata import GroupMetadata
from broker.record import TopicPartition, Written
from broker.sender import FULL_QUEUE_POLL_S, PURGED, Headers, Sender, written_at
from broker.settings import KafkaSettings
from broker.stored_offset import NO_LIVES, Lives, places_of

TRANSACTION_STEP_S = 30.0
"""A step of a transaction is retried this long; brokers abort a transaction by themselves after 60 s."""

REPORT_S = 1.0
"""How long the report of a refused message is waited for; it is served just after the transaction failed."""


class TransactionalProducer(Sender):
    """Messages and group offsets that become visible together or not at all.

    Errors: `Fenced` (stop), `Abortable` (abort, then begin anew), `Transient` (the same step again).
    One that `tells` says of each message where it was written.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        *,
        timeout_ms: int = 60_000,
        tells: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transactional_id = transactional_id
        self._monotonic = monotonic
        options = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "delivery.report.only.error": not tells,
        }
        super().__init__(settings, options)

    def init(self, timeout_s: float = TRANSACTION_STEP_S) -> None:
        """Fences older owners of the id and ends their open transaction. Once, before the first `begin`."""
        self._step("init", self._client.init_transactions, timeout_s)

    def begin(self) -> None:
        self.first_failure = None
        with self._translated("begin"):
            self._client.begin_transaction()

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        written: Callable[[Written], None] | None = None,
    ) -> None:
        """Queues one message of the open transaction. A failed delivery is raised by `commit`.

        `written` is told where it lies before `commit` returns, by a producer that `tells`.
        """
        report = self._note if written is None else self._tell(written)
        with self._translated(f"send to {topic}", topic, len(value or b"")):
            self._produce(topic, key, value, headers, partition, timestamp_ms, report)

    def send_offsets(
        self,
        offsets: Mapping[TopicPartition, int],
        group: GroupMetadata,
        timeout_s: float = TRANSACTION_STEP_S,
        lives: Lives = NO_LIVES,
    ) -> None:
        """Makes the group's offsets, which belong to these lives of topics, part of the open transaction."""
        places = places_of(offsets, lives)
        self._step(
            "send_offsets",
            lambda timeout: self._client.send_offsets_to_transaction(places, group.handle, timeout),
            timeout_s,
        )

    def commit(self, timeout_s: float = TRANSACTION_STEP_S) -> None:
        """Everything becomes visible. After `Transient` the outcome is open: commit again."""
        self._step("commit", self._client.commit_transaction, timeout_s)

    def abort(self, timeout_s: float = TRANSACTION_STEP_S) -> None:
        """Nothing of the open transaction will be seen by a read-committed reader."""
        self._step("abort", self._client.abort_transaction, timeout_s)

    def _step(self, step: str, call: Callable[[float], None], timeout_s: float) -> None:
        """Runs a step, again while the client says that it may be repeated and there is time."""
        deadline = self._monotonic() + timeout_s
        while True:
            try:
                with self._translated(step):
                    call(max(0.1, deadline - self._monotonic()))
                    return
            except errors.TransactionUnfinished:
                if self._monotonic() >= deadline:
                    raise
                self._serve(FULL_QUEUE_POLL_S)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        """What was purged failed because of something else."""
        if error is not None and error.code() not in PURGED:
            self._failed(error, message)

    def _tell(self, written: Callable[[Written], None]) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                written(written_at(message))
            else:
                self._note(error, message)

        return report

    def _await(self, has_come: Callable[[], bool]) -> None:
        """Polls for what the client library has to say of an error, which may come a moment after it."""
        deadline = self._monotonic() + REPORT_S
        while not has_come() and self._monotonic() < deadline:
            self._serve(FULL_QUEUE_POLL_S)

    @contextmanager
    def _translated(self, step: str, topic: str = "", size: int = 0) -> Iterator[None]:
        try:
            yield
        except KafkaException as raised:
            raise self._transaction_error(raised.args[0], step, topic, size) from raised
        except SystemError as raised:  # how the client library ends a call that met a final error
            final = KafkaError(KafkaError._FATAL, str(raised), fatal=True)
            raise self._transaction_error(final, step, topic, size) from raised

    def _transaction_error(self, error: KafkaError, step: str, topic: str, size: int) -> errors.BrokerError:
        """Fenced, final, abortable and repeatable as the client library marks them; the rest by code."""
        if error.code() == KafkaError._FATAL:  # it says no more; what was final comes with a poll
            self._await(lambda: self._final is not None)
            error = self._final or error
        identity, detail = self.transactional_id, error.str()
        if error.code() in FENCED and not error.txn_requires_abort():
            return errors.Fenced(identity, detail)
        if error.fatal():
            return errors.ClientFailed(f"{step} of {identity}", error.name(), detail)
        if error.txn_requires_abort() or error.code() == KafkaError._STATE:
            self._await(lambda: self.first_failure is not None)  # if it was a message that was refused
        if error.txn_requires_abort():
            return errors.Abortable(identity, step, detail)
        if error.code() in TOO_LARGE:
            return errors.MessageTooLarge(topic, size, detail)
        if error.code() in MISSING_TOPIC:
            return errors.TopicMissing([topic or detail])
        if error.retriable() or error.code() in UNAVAILABLE:
            return errors.TransactionUnfinished(identity, step, detail)
        return translate(error, self._settings, f"{step} of {identity}", identity)
