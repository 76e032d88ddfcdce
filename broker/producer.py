"""Producers: every message acknowledged by all in-sync replicas and written once, plain or in transactions.

Keys go to the partition that Java clients choose too, so that other programs may write the same topics.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client
from confluent_kafka import TopicPartition as Place

from broker import errors
from broker.client import FENCED, MISSING_TOPIC, TOO_LARGE, UNAVAILABLE, client_options, translate
from broker.metadata import GroupMetadata
from broker.record import TopicPartition
from broker.settings import KafkaSettings

Headers = Sequence[tuple[str, bytes | None]]
Acknowledged = Callable[[errors.BrokerError | None], None]
"""Called once per message with None, or with why it was not written."""

ANY_PARTITION = -1
FULL_QUEUE_POLL_S = 0.05
FLUSH_TIMEOUT_S = 60.0
TRANSACTION_STEP_S = 30.0
"""A step of a transaction is retried this long; brokers abort a transaction by themselves after 60 s."""

OPTIONS: Mapping[str, object] = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 128 * 1024,
    "message.max.bytes": 16 * 1024 * 1024,  # the topic's own limit decides, not the client's 1 MB
    "compression.type": "lz4",
    "allow.auto.create.topics": False,
}


class _Sender:
    """What both producers share: a bounded queue and counted deliveries."""

    def __init__(self, settings: KafkaSettings, options: Mapping[str, object]) -> None:
        self._settings = settings
        self._client = Client(client_options(settings, {**OPTIONS, **options}))
        self.sent = 0
        self.failed = 0
        self.first_failure: errors.BrokerError | None = None

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        partition: int | None,
        timestamp_ms: int | None,
        on_delivery: Callable[[KafkaError | None, Message], None],
    ) -> None:
        """Queues one message; waits while the queue is full."""
        where = ANY_PARTITION if partition is None else partition
        while True:
            try:
                self._client.produce(
                    topic,
                    value,
                    key,
                    where,
                    on_delivery=on_delivery,
                    timestamp=timestamp_ms or 0,
                    headers=list(headers) if headers else None,
                )
            except BufferError:
                self._client.poll(FULL_QUEUE_POLL_S)
                continue
            self.sent += 1
            return

    def _failed(self, error: KafkaError, message: Message) -> errors.BrokerError:
        self.failed += 1
        failure = self._delivery_error(error, message.topic() or "", len(message))
        self.first_failure = self.first_failure or failure
        return failure

    def _delivery_error(self, error: KafkaError, topic: str, size: int) -> errors.BrokerError:
        if error.code() in TOO_LARGE:
            return errors.MessageTooLarge(topic, size, error.str())
        return translate(error, self._settings, f"writing to {topic}", topic)


class Producer(_Sender):
    """Idempotent producer. `delivered` and `failed` are final after `flush`."""

    def __init__(self, settings: KafkaSettings, *, linger_ms: int = 5) -> None:
        super().__init__(settings, {"linger.ms": linger_ms})
        self.delivered = 0

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        """Queues one message; waits while the queue is full. Raises what is wrong with the message itself."""
        report = self._count if acknowledged is None else self._report_to(acknowledged)
        try:
            self._produce(topic, key, value, headers, partition, timestamp_ms, report)
        except KafkaException as error:
            raise self._delivery_error(error.args[0], topic, len(value or b"")) from error

    def poll(self, timeout_s: float = 0.0) -> None:
        """Serves acknowledgements."""
        self._client.poll(timeout_s)

    def flush(self, timeout_s: float = FLUSH_TIMEOUT_S) -> None:
        """Returns when every message was acknowledged or has failed (`first_failure`, `failed`)."""
        left = self._client.flush(timeout_s)
        if left:
            address = self._settings.bootstrap_servers
            raise errors.BrokerUnavailable(address, "flushing", f"{left} messages are not acknowledged")

    def _count(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self._failed(error, message)

    def _report_to(self, acknowledged: Acknowledged) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is None:
                self.delivered += 1
                acknowledged(None)
            else:
                acknowledged(self._failed(error, message))

        return report


class TransactionalProducer(_Sender):
    """Messages and group offsets that become visible together or not at all.

    Errors: `Fenced` (stop), `Abortable` (abort, then begin anew), `Transient` (the same step again).
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        *,
        timeout_ms: int = 60_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.transactional_id = transactional_id
        self._monotonic = monotonic
        options = {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": timeout_ms,
            "delivery.report.only.error": True,
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
    ) -> None:
        """Queues one message of the open transaction. A failed delivery is raised by `commit`."""
        with self._translated(f"send to {topic}", topic, len(value or b"")):
            self._produce(topic, key, value, headers, partition, timestamp_ms, self._note)

    def send_offsets(
        self,
        offsets: Mapping[TopicPartition, int],
        group: GroupMetadata,
        timeout_s: float = TRANSACTION_STEP_S,
    ) -> None:
        """Makes the group's offsets part of the open transaction."""
        places = [Place(name.topic, name.partition, offset) for name, offset in offsets.items()]
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
                self._client.poll(FULL_QUEUE_POLL_S)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed(error, message)

    @contextmanager
    def _translated(self, step: str, topic: str = "", size: int = 0) -> Iterator[None]:
        try:
            yield
        except KafkaException as raised:
            raise self._transaction_error(raised.args[0], step, topic, size) from raised

    def _transaction_error(self, error: KafkaError, step: str, topic: str, size: int) -> errors.BrokerError:
        """Fenced, final, abortable and repeatable as the client library marks them; the rest by code."""
        identity, detail = self.transactional_id, error.str()
        if error.code() in FENCED and not error.txn_requires_abort():
            return errors.Fenced(identity, detail)
        if error.fatal():
            return errors.ClientFailed(f"{step} of {identity}", error.name(), detail)
        if error.txn_requires_abort():
            return errors.Abortable(identity, step, detail)
        if error.code() in TOO_LARGE:
            return errors.MessageTooLarge(topic, size, detail)
        if error.code() in MISSING_TOPIC:
            return errors.TopicMissing([topic or detail])
        if error.retriable() or error.code() in UNAVAILABLE:
            return errors.TransactionUnfinished(identity, step, detail)
        return translate(error, self._settings, f"{step} of {identity}", identity)
